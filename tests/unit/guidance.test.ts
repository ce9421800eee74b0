import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import type { Condition } from "../../src/conditioning/condition.js";
import { sampleRows } from "../../src/model/sampler.js";
import type { Feeds } from "../../src/model/session.js";
import { projectPath } from "../../src/project.js";
import { conditionsOf, loadSubject, need } from "../../src/conformance/subject.js";
import { readSafetensors } from "../../src/conformance/safetensors.js";

const SHAPE = { hidden: 4, layers: 1, heads: 2 };
const CANVAS = 3;
const quiet = { signal: new AbortController().signal, breathe: async () => undefined };
const step = { t: 0.5, cx: 0.5, c0: 0.5, cPrevious: 0, cNoise: 0, cSkip: 0, cOut: 1 };

function condition(value: number): Condition {
  const filled = (size: number) => new Float32Array(size).fill(value);
  return { width: 2, states: filled(8), keys: filled(8), values: filled(8), bias: new Float32Array(2) };
}

/** A stand-in for the denoiser's session that keeps what it is fed. */
function recorder(): { session: ort.InferenceSession; calls: Feeds[] } {
  const calls: Feeds[] = [];
  const run = async (feeds: Feeds) => {
    calls.push(feeds);
    return { x_next: feeds["x"]!, x0: feeds["x"]! };
  };
  return { session: { run } as unknown as ort.InferenceSession, calls };
}

const rows = [0, 1, 2].map((candidate) => ({ condition: condition(1 + candidate), seed: 9, candidate }));
const numbers = (tensor: ort.Tensor | undefined) => Array.from(tensor!.data as BigInt64Array | Float32Array, Number);

describe("classifier-free guidance", () => {
  test("without it no null row is computed and the null condition is not looked at", async () => {
    const { session, calls } = recorder();
    await sampleRows(session, SHAPE, rows, CANVAS, [step, step], 0, condition(NaN), quiet);
    assert.equal(calls.length, 2);
    for (const feeds of calls) {
      for (const name of ["x", "previous", "t", "keys", "values", "bias", "coefficients", "guidance"]) assert.equal(feeds[name]!.dims[0], 3, name);
      assert.deepEqual(numbers(feeds["negative"]), numbers(feeds["positive"]));
      assert.ok(numbers(feeds["keys"]).every(Number.isFinite));
    }
  });

  test("with it each row's null twin shares the call, on the same state and self-condition", async () => {
    const { session, calls } = recorder();
    const out = await sampleRows(session, SHAPE, rows, CANVAS, [step, step], 1.5, condition(7), quiet);
    assert.deepEqual([calls.length, out.length], [2, 3]);
    for (const feeds of calls) {
      assert.equal(feeds["x"]!.dims[0], 6);
      assert.deepEqual(numbers(feeds["positive"]), [0, 1, 2, 0, 1, 2]);
      assert.deepEqual(numbers(feeds["negative"]), [3, 4, 5, 3, 4, 5]);
      assert.deepEqual([...new Set(numbers(feeds["guidance"]))], [1.5]);
      assert.deepEqual([...new Set(numbers(feeds["keys"]).slice(24))], [7]);
      for (const name of ["x", "previous"]) assert.deepEqual(numbers(feeds[name]).slice(36), numbers(feeds[name]).slice(0, 36), name);
    }
  });

  test("on a real graph the guided prediction is x0 + w (x0 - x0_null), and w = 0 is x0 itself", async () => {
    const folder = projectPath("tests/fixtures/conformance");
    const subject = await loadSubject(`${folder}/bundle`, 1);
    const vectors = await readSafetensors(`${folder}/vectors.safetensors`);
    const cond = need(vectors, "cond", 3);
    const [source] = await conditionsOf(subject, cond, need(vectors, "cond_mask", 2), cond.dims[1]!);
    const [nothing] = await conditionsOf(subject, need(vectors, "null_cond", 3), need(vectors, "null_mask", 2), cond.dims[1]!);
    const predict = async (condition: Condition, weight: number) => {
      const plan = [{ ...step, cx: 0, c0: 1 }];
      return (await sampleRows(subject.denoiser, subject.card.model, [{ condition, seed: 3, candidate: 0 }], 6, plan, weight, nothing!, quiet))[0]!;
    };
    const [towards, away, guided] = [await predict(source!, 0), await predict(nothing!, 0), await predict(source!, 2)];
    guided.forEach((value, i) => assert.ok(Math.abs(value - (towards[i]! + 2 * (towards[i]! - away[i]!))) < 1e-4, `${i}`));
    assert.ok(guided.some((value, i) => Math.abs(value - towards[i]!) > 0.1));
  });
});
