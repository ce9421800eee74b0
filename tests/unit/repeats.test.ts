import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withoutRepeats } from "../../src/model/repeats.js";

const SPECIAL = new Set([0, 101, 102]);
const read = (line: number[], source: number[] = []) => withoutRepeats(line, source, SPECIAL).map((place) => line[place]);

describe("repeats of denoised positions are merged", () => {
  test("words, pairs and triples said twice or more", () => {
    assert.deepEqual(read([5, 6, 6, 6, 7]), [5, 6, 7]);
    assert.deepEqual(read([5, 6, 7, 6, 7, 8]), [5, 6, 7, 8]);
    assert.deepEqual(read([1, 2, 3, 1, 2, 3, 9]), [1, 2, 3, 9]);
  });

  test("a word said twice, but apart, stays", () => assert.deepEqual(read([5, 6, 5, 7]), [5, 6, 5, 7]));

  test("what the source repeats may be repeated", () => {
    assert.deepEqual(read([5, 6, 6, 7], [101, 6, 6, 102]), [5, 6, 6, 7]);
    assert.deepEqual(read([5, 6, 6, 7], [101, 6, 8, 6, 102]), [5, 6, 7]);
  });

  test("special tokens are left to the reader of the line", () => assert.deepEqual(read([101, 101, 5, 0, 0]), [101, 101, 5, 0, 0]));
});
