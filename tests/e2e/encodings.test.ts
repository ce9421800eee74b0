import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Conditioner } from "../../src/conditioning/condition.js";
import { Tokenizer } from "../../src/conditioning/tokenizer.js";
import { readBundle } from "../../src/model/bundle.js";
import { openSession } from "../../src/model/session.js";
import { projectPath } from "../../src/project.js";
import { QUESTIONS } from "./texts.js";

const LENGTH = 24;

/** On the shipped encoder: samples of one text are encoded in one call, and which of them end together must not tell in how they are ranked. */
describe("encodings of texts that share a call", async () => {
  const { card, paths } = await readBundle(projectPath("models/qqp-paraphrase"));
  const { pad } = card.tokens;
  const tokenizer = await Tokenizer.load(paths.tokenizer!, card.tokens);
  const texts = QUESTIONS.slice(0, 5).map((text) => {
    const { ids } = tokenizer.encode(text);
    return Array.from({ length: LENGTH }, (_, i) => ids[i] ?? pad);
  });
  for (const threads of [1, 2]) {
    test(`${threads} threads: the bits of each are those of it alone, and of it in another place`, async () => {
      const conditioner = new Conditioner(await openSession(paths.encoder!, threads), await openSession(paths.condition!, threads), { hidden: card.model.hidden, pad });
      const alone = await Promise.all(texts.map(async (text) => (await conditioner.latents([text]))[0]!));
      const together = await conditioner.latents(texts);
      const backwards = (await conditioner.latents([...texts].reverse())).reverse();
      for (const [i, latents] of alone.entries()) {
        assert.equal(latents.length, LENGTH * card.model.hidden);
        assert.deepEqual(together[i], latents);
        assert.deepEqual(backwards[i], latents);
      }
      assert.notDeepEqual(alone[0], alone[1]);
    });
  }
});
