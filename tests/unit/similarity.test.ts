import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cosine, pooled } from "../../src/model/similarity.js";

describe("similarity of meaning", () => {
  const special = new Set([0, 101]);

  test("is that of the words: special tokens and what lies beyond the ids do not count", () => {
    const latents = Float32Array.from([9, 9, 1, 2, 3, 4, 9, 9, 7, 7]);
    assert.deepEqual([...pooled(latents, [101, 5, 6, 0], 2, special)], [4, 6]);
    assert.deepEqual([...pooled(latents, [101, 0], 2, special)], [0, 0]);
  });

  test("depends on the angle alone, and of no words it is 0", () => {
    const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-6, `${actual}, not ${expected}`);
    near(cosine(Float32Array.of(1, 2), Float32Array.of(10, 20)), 1);
    near(cosine(Float32Array.of(1, 0), Float32Array.of(0, 3)), 0);
    near(cosine(Float32Array.of(1, 0), Float32Array.of(-1, -1)), -Math.SQRT1_2);
    assert.equal(cosine(Float32Array.of(0, 0), Float32Array.of(1, 1)), 0);
  });
});
