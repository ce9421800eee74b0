import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Conditioner } from "../../src/conditioning/condition.js";
import { Tokenizer } from "../../src/conditioning/tokenizer.js";
import { readBundle } from "../../src/model/bundle.js";
import { CPU, PRODUCTS } from "../../src/model/device.js";
import { openSession } from "../../src/model/session.js";
import { projectPath } from "../../src/project.js";
import { QUESTIONS } from "./texts.js";

/** Odd ones too: a kernel may take rows by twos. */
const LENGTHS = [24, 23];

/** On the shipped encoder: samples of one text are encoded in one call, and which of them end together must not tell in how they are ranked. */
describe("encodings of texts that share a call", async () => {
  const { card, paths } = await readBundle(projectPath("models/qqp-paraphrase"));
  const { pad } = card.tokens;
  const tokenizer = await Tokenizer.load(paths.tokenizer!, card.tokens);
  const cases = PRODUCTS.flatMap((products) => [1, 2].flatMap((threads) => LENGTHS.map((length) => ({ products, threads, length }))));
  for (const { products, threads, length } of cases) {
    test(`products in ${products}, ${threads} threads, ${length} tokens: the bits of each are those of it alone, and of it in another place`, async () => {
      const texts = QUESTIONS.slice(0, 5).map((text) => {
        const { ids } = tokenizer.encode(text);
        return Array.from({ length }, (_, i) => ids[i] ?? pad);
      });
      const open = (path: string) => openSession(path, threads, { ...CPU, products });
      const conditioner = new Conditioner(await open(paths.encoder!), await open(paths.condition!), { hidden: card.model.hidden, pad });
      const alone = await Promise.all(texts.map(async (text) => (await conditioner.latents([text]))[0]!));
      const together = await conditioner.latents(texts);
      const backwards = (await conditioner.latents([...texts].reverse())).reverse();
      for (const [i, latents] of alone.entries()) {
        assert.equal(latents.length, length * card.model.hidden);
        assert.deepEqual(together[i], latents);
        assert.deepEqual(backwards[i], latents);
      }
      assert.notDeepEqual(alone[0], alone[1]);
    });
  }
});
