import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Draft, draftsOf, type Read, rewordingsOf, versionsOf } from "../../src/model/revision.js";

const [CLS, SEP, NOTHING, BLANK] = [1, 2, 3, "_"];

/** Tokens with the special ones at both ends. */
const textOf = (...ids: number[]): Read[] => [CLS, ...ids, SEP].map((id) => ({ id, confidence: id / 100 }));
const told = (drafts: readonly Draft[]) => drafts.map(({ tokens }) => tokens.map((token) => token?.id ?? BLANK).join(" "));

describe("drafts of a text", () => {
  test("the worst place is blanked, and gets a blank on either side", () => {
    const drafts = draftsOf(textOf(10), [9, 0, 9], 16);
    assert.deepEqual(told(drafts), ["1 _ 2", "1 _ 10 2", "1 10 _ 2"]);
    assert.deepEqual(drafts.map(({ blank }) => blank), [1, 1, 2]);
    assert.equal(drafts[1]!.tokens[2]!.confidence, 0.1);
  });

  test("the three most doubtful places are tried, the ends never, and no draft comes twice", () => {
    // Of 3 x 3 two are the same twice over: behind 11 is before 12, behind 12 is before 13.
    assert.deepEqual(told(draftsOf(textOf(10, 11, 12, 13), [9, -3, 2, 1, 0, 9], 16)), [
      "1 10 _ 12 13 2", "1 10 _ 11 12 13 2", "1 10 11 _ 12 13 2",
      "1 10 11 _ 13 2", "1 10 11 12 _ 13 2",
      "1 10 11 12 _ 2", "1 10 11 12 13 _ 2",
    ]);
  });

  test("a word said twice in a row has two drafts that read the same, and both are tried", () => {
    const drafts = draftsOf(textOf(10, 10), [9, 1, 0, 9], 4);
    assert.deepEqual(drafts.map(({ blank }) => blank), [1, 2]);
  });

  test("no draft is longer than it may be", () => {
    assert.deepEqual(told(draftsOf(textOf(10), [9, 0, 9], 3)), ["1 _ 2"]);
  });

  test("a text without words has none", () => {
    assert.deepEqual(draftsOf(textOf(), [0, 0], 16), []);
  });
});

describe("rewordings of a text", () => {
  test("tokens that stand beside a neighbour as in the source are blanked, one a draft", () => {
    const drafts = rewordingsOf(textOf(10, 11, 12, 13, 14), [CLS, 10, 12, 13, 15, SEP]);
    // 10 begins both, 12 comes before 13; 11 and 14 are its own, and what stands behind 14 ends other words.
    assert.deepEqual(told(drafts), ["1 _ 11 12 13 14 2", "1 10 11 _ 13 14 2", "1 10 11 12 _ 14 2"]);
    assert.deepEqual(drafts.map(({ blank, old }) => [blank, old?.id]), [[1, 10], [3, 12], [4, 13]]);
  });

  test("the same words in another order are not the source's", () => {
    assert.deepEqual(rewordingsOf(textOf(10, 11), [CLS, 11, 10, SEP]), []);
  });
});

describe("versions of a text", () => {
  const text = textOf(10, 11);
  const drafts = draftsOf(text, [9, 1, 0, 9], 16);
  const filled = (...each: [id: number, gain: number][][]) => drafts.map((_, i) => (each[i] ?? []).map(([id, gain]) => ({ id, gain, probability: 0.5 })));
  const read = (...fillings: Parameters<typeof filled>) => versionsOf(text, drafts, filled(...fillings), NOTHING).map(({ tokens, gain }) => `${tokens.map(({ id }) => id).join(" ")}: ${gain}`);

  test("those of all blanks that gain most come first, what is added with three nats less", () => {
    assert.deepEqual(told(drafts), ["1 _ 11 2", "1 _ 10 11 2", "1 10 _ 11 2", "1 10 _ 2", "1 10 11 _ 2"]);
    assert.deepEqual(drafts.map(({ old }) => old?.id), [10, undefined, undefined, 11, undefined]);
    assert.deepEqual(read([[20, 0.5], [21, -3]], [[22, 1]], [[23, 4]]), ["1 10 23 11 2: 1", "1 20 11 2: 0.5", "1 22 10 11 2: -2", "1 21 11 2: -3"]);
  });

  test("a blank for nothing is left out, and so is a version that is the text itself", () => {
    assert.deepEqual(read([[10, 0], [NOTHING, 0.4]], [[NOTHING, 0]]), ["1 11 2: 0.4"]);
  });

  test("one that two blanks lead to comes once, the way that gains more", () => {
    // 10 before 10 and 10 behind it.
    assert.deepEqual(read([], [[10, 2]], [[10, 6], [24, 4]]), ["1 10 10 11 2: 3", "1 10 24 11 2: 1"]);
  });

  test("what is filled in is as sure as the filling is likely, and the rest as it was", () => {
    const [version] = versionsOf(text, drafts, filled([[20, 1]]), NOTHING);
    assert.deepEqual(version!.tokens.map(({ confidence }) => confidence), [0.01, 0.5, 0.11, 0.02]);
  });
});
