import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Given } from "../../src/model/decoder.js";
import { type Draft, draftsOf, isBlanked } from "../../src/model/revision.js";

const [CLS, SEP, BLANK] = [1, 2, "_"];

/** Tokens with the special ones at both ends. */
const textOf = (...ids: number[]): Given[] => [CLS, ...ids, SEP].map((id) => ({ id, confidence: id / 100 }));
const told = (drafts: readonly Draft[]) => drafts.map((draft) => draft.map((token) => token?.id ?? BLANK).join(" "));

describe("drafts of a text", () => {
  test("the worst place is blanked, gets a blank on either side, and is left out", () => {
    const drafts = draftsOf(textOf(10), [9, 0, 9], 16, 8);
    assert.deepEqual(told(drafts), ["1 _ 2", "1 _ 10 2", "1 10 _ 2", "1 2"]);
    assert.deepEqual(drafts.map(isBlanked), [true, true, true, false]);
    assert.equal(drafts[1]![2]!.confidence, 0.1);
  });

  test("the three most doubtful places are tried, the ends never, and no draft comes twice", () => {
    const drafts = told(draftsOf(textOf(10, 11, 12, 13), [9, -3, 2, 1, 0, 9], 16, 99));
    // Of 3 x 4 one is the same twice over: behind 11 is before 12, behind 12 is before 13.
    assert.deepEqual(drafts, [
      "1 10 _ 12 13 2", "1 10 _ 11 12 13 2", "1 10 11 _ 12 13 2", "1 10 12 13 2",
      "1 10 11 _ 13 2", "1 10 11 12 _ 13 2", "1 10 11 13 2",
      "1 10 11 12 _ 2", "1 10 11 12 13 _ 2", "1 10 11 12 2",
    ]);
  });

  test("no draft is longer than the canvas, and those with a blank are as many as may be at most", () => {
    assert.deepEqual(told(draftsOf(textOf(10), [9, 0, 9], 3, 8)), ["1 _ 2", "1 2"]);
    assert.deepEqual(told(draftsOf(textOf(10, 11), [9, 0, 1, 9], 16, 2)), ["1 10 _ 2", "1 10 _ 11 2", "1 10 2", "1 11 2"]);
  });

  test("a text without words has none", () => {
    assert.deepEqual(draftsOf(textOf(), [0, 0], 16, 8), []);
  });
});
