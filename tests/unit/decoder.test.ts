import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import type { Condition } from "../../src/conditioning/condition.js";
import { decodeRows, type Given } from "../../src/model/decoder.js";

const [PAD, CLS, SEP] = [0, 1, 2];
const TOKENS = { pad: PAD, sep: SEP, special: [PAD, CLS, SEP], marks: new Set<number>() };
const CANVAS = 6;
const CONDITION: Condition = { width: 2, ids: [CLS, SEP], states: new Float32Array(2), keys: new Float32Array(0), values: new Float32Array(0), bias: new Float32Array(2) };

/** A decoder that reads these tokens of each row, the i-th with the probability .1 i. */
function reading(...rows: number[][]): ort.InferenceSession {
  const probability = Float32Array.from(rows.flatMap((row) => row.map((_, i) => i / 10)));
  const outputs = { ids: new ort.Tensor("int64", BigInt64Array.from(rows.flat().map(BigInt)), [rows.length, CANVAS]), probability: new ort.Tensor("float32", probability, [rows.length, CANVAS]) };
  return { inputNames: ["x", "states", "bias"], outputNames: ["ids", "probability"], run: async () => outputs } as unknown as ort.InferenceSession;
}

const read = (rows: number[][], given?: readonly (readonly (Given | undefined)[] | undefined)[]) =>
  decodeRows(reading(...rows), rows.map(() => new Float32Array(CANVAS)), rows.map(() => CONDITION), CANVAS, 1, TOKENS, given);
const rounded = (values: readonly number[]) => values.map((value) => Number(value.toFixed(3)));

describe("reading latents where some tokens are given", () => {
  const given = (...ids: (number | undefined)[]) => ids.map((id) => (id === undefined ? undefined : { id, confidence: 0.9 }));

  test("those stay, the others are read, and each keeps its confidence", async () => {
    const [plain, filled] = await read([[CLS, 11, 12, 13, SEP, PAD], [CLS, 11, 12, 13, SEP, 14]], [undefined, given(CLS, 21, undefined, 23, SEP)]);
    assert.deepEqual([plain!.ids, rounded(plain!.confidences)], [[11, 12, 13], [0.1, 0.2, 0.3]]);
    assert.deepEqual([filled!.ids, rounded(filled!.confidences), filled!.line, filled!.ended], [[21, 12, 23], [0.9, 0.2, 0.9], [CLS, 21, 12, 23, SEP, PAD], true]);
  });

  test("a special token is no word: the place is left out, and the rest moves up", async () => {
    for (const special of [SEP, PAD, CLS]) {
      const [filled] = await read([[CLS, 11, special, 13, 14, 15]], [given(CLS, 21, undefined, 23, SEP)]);
      assert.deepEqual([filled!.ids, filled!.line], [[21, 23], [CLS, 21, 23, SEP, PAD, PAD]]);
    }
  });

  test("a word that is filled in twice over is merged as in any text", async () => {
    const [filled] = await read([[CLS, 11, 21, 13, 14, 15]], [given(CLS, 21, undefined, 23, SEP)]);
    assert.deepEqual(filled!.ids, [21, 23]);
  });
});
