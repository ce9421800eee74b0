import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import { Acceptability } from "../../src/model/acceptability.js";

describe("the judge of acceptability", () => {
  test("reads the latents of a text, its first 64 tokens, and tells its score", async () => {
    const fed: ort.Tensor[] = [];
    const graph = { run: async (feeds: Record<string, ort.Tensor>) => (fed.push(feeds["text"]!), { score: new ort.Tensor("float32", [-0.5], [1]) }) } as unknown as ort.InferenceSession;
    const judge = new Acceptability(graph, 2);
    assert.equal(await judge.score(Float32Array.of(1, 2, 3, 4)), -0.5);
    await judge.score(Float32Array.from({ length: 200 }, (_, i) => i));
    assert.deepEqual([fed[0]!.dims, [...(fed[0]!.data as Float32Array)]], [[1, 2, 2], [1, 2, 3, 4]]);
    assert.deepEqual([fed[1]!.dims, (fed[1]!.data as Float32Array).at(-1)], [[1, 64, 2], 127]);
  });
});
