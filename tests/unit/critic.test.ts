import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import { Critic } from "../../src/model/critic.js";

describe("the critic", () => {
  test("reads the latents of a text and its source, the first 64 tokens of each, and tells its score and places", async () => {
    const fed: Record<string, ort.Tensor>[] = [];
    const outputs = { score: new ort.Tensor("float32", [-0.5], [1]), slips: new ort.Tensor("float32", [-7, 2], [1, 2]) };
    const critic = new Critic({ run: async (feeds: Record<string, ort.Tensor>) => (fed.push(feeds), outputs) } as unknown as ort.InferenceSession, 2);
    assert.deepEqual(await critic.read(Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)), { score: -0.5, doubts: Float32Array.of(-7, 2) });
    assert.deepEqual([fed[0]!["text"]!.dims, [...(fed[0]!["text"]!.data as Float32Array)]], [[1, 2, 2], [1, 2, 3, 4]]);
    assert.deepEqual([fed[0]!["source"]!.dims, [...(fed[0]!["source"]!.data as Float32Array)]], [[1, 1, 2], [5, 6]]);
    await critic.read(new Float32Array(200), Float32Array.from({ length: 300 }, (_, i) => i));
    assert.deepEqual([fed[1]!["text"]!.dims, fed[1]!["source"]!.dims, (fed[1]!["source"]!.data as Float32Array).at(-1)], [[1, 64, 2], [1, 64, 2], 127]);
  });
});
