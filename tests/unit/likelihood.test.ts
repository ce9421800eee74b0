import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Condition, Conditioner } from "../../src/conditioning/condition.js";
import type { BundleCard } from "../../src/model/bundle.js";
import type { Blank, Infiller } from "../../src/model/infiller.js";
import { Likelihood } from "../../src/model/likelihood.js";

const [PAD, CLS, SEP, MASK] = [0, 1, 2, 3];
const CARD = { tokens: { pad: PAD, cls: CLS, sep: SEP, unk: 9, mask: MASK } } as unknown as BundleCard;
const CONDITION = {} as Condition;

/** A network for which every token is as many nats unlikely as its id says, and something else half a nat. */
function likelihood() {
  const asked: { drafts: number[][]; tokens: readonly number[]; blanks: readonly Blank[] }[] = [];
  const conditioner = { latents: async (lines: number[][]) => lines.map((line) => Float32Array.from(line)) } as unknown as Conditioner;
  const fill = async (latents: Float32Array[], tokens: readonly number[], blanks: readonly Blank[]) => {
    asked.push({ drafts: latents.map((each) => [...each]), tokens, blanks });
    return blanks.map(({ old }) => [{ id: 50, probability: Math.exp(-0.5), gain: old - 0.5 }]);
  };
  return { asked, likelihood: new Likelihood(CARD, conditioner, { fill } as unknown as Infiller) };
}

describe("how unlikely the words of a text are", () => {
  test("is the mean over its tokens, each of them blanked once, every fourth in one draft", async () => {
    const { asked, likelihood: told } = likelihood();
    const [mean] = await told.unlikely([[4, 5, 6, 7, 8, 10]], CONDITION);
    assert.ok(Math.abs(mean! - 40 / 6) < 1e-6);
    assert.deepEqual(asked[0]!.drafts, [
      [CLS, MASK, 5, 6, 7, MASK, 10, SEP],
      [CLS, 4, MASK, 6, 7, 8, MASK, SEP],
      [CLS, 4, 5, MASK, 7, 8, 10, SEP],
      [CLS, 4, 5, 6, MASK, 8, 10, SEP],
    ]);
    assert.deepEqual(asked[0]!.blanks.map(({ draft, at, old }) => [draft, at, old]), [[0, 1, 4], [0, 5, 8], [1, 2, 5], [1, 6, 10], [2, 3, 6], [3, 4, 7]]);
  });

  test("is told of several texts in one call, each by its own tokens and none by its padding", async () => {
    const { asked, likelihood: told } = likelihood();
    const means = await told.unlikely([[4, 6], [], [5, 5, 8]], CONDITION);
    assert.deepEqual(means.map((each) => Number(each.toFixed(6))), [5, 0, 6]);
    assert.equal(asked.length, 1);
    assert.deepEqual(asked[0]!.drafts[0], [CLS, MASK, 6, SEP, PAD]);
    assert.deepEqual(asked[0]!.tokens, [4, 4, 5, 5, 5]);
  });

  test("is nothing of texts without a token, and of a long one what the network has places for", async () => {
    const { asked, likelihood: told } = likelihood();
    assert.deepEqual(await told.unlikely([[], []], CONDITION), [0, 0]);
    assert.equal(asked.length, 0);
    const [mean] = await told.unlikely([Array.from({ length: 80 }, (_, i) => (i < 63 ? 4 : 1000))], CONDITION);
    assert.ok(Math.abs(mean! - 4) < 1e-6, String(mean));
  });
});
