import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import type { Condition } from "../../src/conditioning/condition.js";
import { Infiller } from "../../src/model/infiller.js";
import { LOOKED_AT } from "../../src/model/looked-at.js";

const HIDDEN = 2;
const [MASK, OTHER] = [9, 8];

function conditionOf(tokens: number): Condition {
  const states = Float32Array.from({ length: (tokens + 3) * HIDDEN }, (_, i) => i);
  return { width: tokens + 3, ids: Array.from({ length: tokens }, (_, i) => 100 + i), states, keys: new Float32Array(0), values: new Float32Array(0), bias: new Float32Array(0) };
}

/** A graph that tells the same of every draft, and what it was fed. */
function graphOf(read: number[], likely: number[], was: number[]) {
  const fed: Record<string, ort.Tensor> = {};
  const run = async (feeds: Record<string, ort.Tensor>) => {
    Object.assign(fed, feeds);
    const rows = was.length;
    return {
      read: new ort.Tensor("int64", BigInt64Array.from(read.map(BigInt)), [rows, read.length / rows]),
      likely: new ort.Tensor("float32", Float32Array.from(likely), [rows, read.length / rows]),
      was: new ort.Tensor("float32", Float32Array.from(was), [rows]),
    };
  };
  return { fed, infiller: new Infiller({ run, inputNames: ["text", "row", "at"] } as unknown as ort.InferenceSession, HIDDEN) };
}

describe("the infiller", () => {
  test("is fed the drafts, where they end, the source without its padding, and each blank with what stood there", async () => {
    const { fed, infiller } = graphOf([7, MASK, 6, MASK], [-1, -2, -0.5, -3], [-2, -0.5]);
    const drafts = [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(7, 8, 9, 10, 0, 0)];
    await infiller.fill(drafts, [3, 2], [{ draft: 0, at: 1, old: OTHER }, { draft: 1, at: 0, old: MASK }], conditionOf(4));
    assert.deepEqual([fed["text"]!.dims, [...(fed["text"]!.data as Float32Array)]], [[2, 3, HIDDEN], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0]]);
    assert.deepEqual([...(fed["mask"]!.data as Float32Array)], [1, 1, 1, 1, 1, 0]);
    assert.deepEqual([fed["source"]!.dims, [...(fed["source"]!.data as Float32Array)]], [[1, 4, HIDDEN], [0, 1, 2, 3, 4, 5, 6, 7]]);
    assert.deepEqual([...(fed["ids"]!.data as BigInt64Array)].map(Number), [100, 101, 102, 103]);
    assert.deepEqual([fed["row"], fed["at"], fed["old"]].map((tensor) => [...(tensor!.data as BigInt64Array)].map(Number)), [[0, 1], [1, 0], [OTHER, MASK]]);
  });

  test("tells for each filling how likely it is, and how much likelier than what was", async () => {
    const { infiller } = graphOf([7, MASK, 6, MASK], [-1, -2, -0.5, -3], [-2, -0.5]);
    const draft = new Float32Array(2 * HIDDEN);
    const [first, second] = await infiller.fill([draft, draft], [2, 2], [{ draft: 0, at: 0, old: OTHER }, { draft: 1, at: 1, old: OTHER }], conditionOf(2));
    assert.deepEqual(first!.map(({ id, gain }) => [id, gain]), [[7, 1], [MASK, 0]]);
    assert.deepEqual(second!.map(({ id, gain }) => [id, gain]), [[6, 0], [MASK, -2.5]]);
    assert.ok(Math.abs(first![0]!.probability - Math.exp(-1)) < 1e-6);
  });

  test("is refused where its graph takes one blank a draft", () => {
    assert.throws(() => new Infiller({ inputNames: ["text", "at"] } as unknown as ort.InferenceSession, HIDDEN), /no input "row"/);
  });

  test("reads no more of the source than its network has places for", async () => {
    const { fed, infiller } = graphOf([MASK], [0], [0]);
    await infiller.fill([new Float32Array(HIDDEN)], [1], [{ draft: 0, at: 0, old: MASK }], conditionOf(LOOKED_AT + 5));
    assert.deepEqual([fed["source"]!.dims, fed["ids"]!.dims], [[1, LOOKED_AT, HIDDEN], [1, LOOKED_AT]]);
  });
});
