import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import type { Conditioner } from "../../src/conditioning/condition.js";
import { SentenceScorer } from "../../src/conditioning/sentence-scorer.js";
import type { Tokenizer } from "../../src/conditioning/tokenizer.js";

const [CLS, SEP] = [101, 102];
/** A letter is a token. */
const tokenizer = { encode: (text: string) => ({ ids: [CLS, ...[...text].map((letter) => letter.charCodeAt(0)), SEP] }) } as unknown as Tokenizer;

describe("the sentence scorer", () => {
  test("reads the mean of each sentence's words and the features of those that may be chosen, and tells the scores of these", async () => {
    const read: number[][] = [];
    const conditioner = {
      latents: async (texts: readonly (readonly number[])[]) =>
        texts.map((ids) => {
          read.push([...ids]);
          return Float32Array.from(ids.flatMap((id) => (id === CLS || id === SEP ? [99, 99] : [id, 1])));
        }),
    } satisfies Pick<Conditioner, "latents"> as unknown as Conditioner;
    let fed: Record<string, ort.Tensor> = {};
    const graph = { run: async (feeds: Record<string, ort.Tensor>) => ((fed = feeds), { scores: new ort.Tensor("float32", [10, 20, 30], [3]) }) } as unknown as ort.InferenceSession;
    const scorer = new SentenceScorer(graph, conditioner, tokenizer, { hidden: 2, sep: SEP, special: new Set([0, CLS, SEP]) });
    const long = "z".repeat(100);
    const scores = await scorer.scores({ sentences: ["\u0004\u0006", "x", long], places: [0, 2], features: [[1, 2, 3], [4, 5, 6]] });
    assert.deepEqual(scores, [10, 30]);
    assert.deepEqual([fed["encodings"]!.dims, [...(fed["encodings"]!.data as Float32Array)]], [[3, 2], [5, 1, 120, 1, 122, 1]]);
    assert.deepEqual([fed["features"]!.dims, [...(fed["features"]!.data as Float32Array)]], [[3, 3], [1, 2, 3, 0, 0, 0, 4, 5, 6]]);
    assert.deepEqual([...(fed["may"]!.data as Float32Array)], [1, 0, 1]);
    assert.deepEqual([read[2]!.length, read[2]!.at(-1)], [64, SEP]);
  });
});
