import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import { Acceptability } from "../../src/model/acceptability.js";

describe("the judge of acceptability", () => {
  const fed: ort.Tensor[] = [];
  const graph = (outputs: Record<string, ort.Tensor>) =>
    ({ outputNames: Object.keys(outputs), run: async (feeds: Record<string, ort.Tensor>) => (fed.push(feeds["text"]!), outputs) }) as unknown as ort.InferenceSession;
  const score = new ort.Tensor("float32", [-0.5], [1]);

  test("reads the latents of a text, its first 64 tokens, and tells its score", async () => {
    const judge = new Acceptability(graph({ score }), 2);
    assert.deepEqual(await judge.read(Float32Array.of(1, 2, 3, 4)), { score: -0.5, doubts: undefined });
    await judge.read(Float32Array.from({ length: 200 }, (_, i) => i));
    assert.deepEqual([fed[0]!.dims, [...(fed[0]!.data as Float32Array)]], [[1, 2, 2], [1, 2, 3, 4]]);
    assert.deepEqual([fed[1]!.dims, (fed[1]!.data as Float32Array).at(-1)], [[1, 64, 2], 127]);
  });

  test("tells places where its graph does", async () => {
    const judge = new Acceptability(graph({ score, slips: new ort.Tensor("float32", [-7, 2], [1, 2]) }), 2);
    assert.deepEqual([judge.tellsPlaces, await judge.read(Float32Array.of(1, 2, 3, 4))], [true, { score: -0.5, doubts: Float32Array.of(-7, 2) }]);
    assert.equal(new Acceptability(graph({ score }), 2).tellsPlaces, false);
  });
});
