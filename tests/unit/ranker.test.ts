import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import { Ranker } from "../../src/model/ranker.js";

describe("the ranker", () => {
  test("reads the latents of sample and source, the first 64 tokens of each, and tells its score", async () => {
    let fed: Record<string, ort.Tensor> = {};
    const graph = { run: async (feeds: Record<string, ort.Tensor>) => ((fed = feeds), { score: new ort.Tensor("float32", [1.5], [1]) }) } as unknown as ort.InferenceSession;
    assert.equal(await new Ranker(graph, 2).score(Float32Array.of(1, 2, 3, 4), Float32Array.from({ length: 200 }, (_, i) => i)), 1.5);
    assert.deepEqual([fed["candidate"]!.dims, [...(fed["candidate"]!.data as Float32Array)]], [[1, 2, 2], [1, 2, 3, 4]]);
    assert.deepEqual([fed["source"]!.dims, (fed["source"]!.data as Float32Array).at(-1)], [[1, 64, 2], 127]);
  });
});
