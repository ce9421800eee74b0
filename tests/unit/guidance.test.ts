import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ort from "onnxruntime-node";
import type { Condition } from "../../src/conditioning/condition.js";
import { sampleRows } from "../../src/model/sampler.js";
import { projectPath } from "../../src/project.js";
import { conditionsOf, loadSubject, need } from "../../src/conformance/subject.js";
import { readSafetensors } from "../../src/conformance/safetensors.js";

const SHAPE = { hidden: 4, heads: 2 };
const CANVAS = 3;
const quiet = { signal: new AbortController().signal, breathe: async () => undefined };
const step = { t: 0.5, cx: 0.5, c0: 0.5, cPrevious: 0, cNoise: 0, cSource: 0, cSkip: 0, cOut: 1 };

function condition(value: number): Condition {
  const filled = (size: number) => new Float32Array(size).fill(value);
  return { width: 2, ids: [], states: filled(8), keys: filled(8), values: filled(8), bias: new Float32Array(2) };
}

type Feeds = Record<string, { dims: readonly number[]; data: number[] }>;

/** A stand-in for the denoiser's session that keeps a copy of what it is fed and gives x back. */
function recorder(): { session: ort.InferenceSession; calls: Feeds[] } {
  const calls: Feeds[] = [];
  const run = async (feeds: Record<string, ort.Tensor>, outputs: Record<string, ort.Tensor>) => {
    calls.push(Object.fromEntries(Object.entries(feeds).map(([name, { dims, data }]) => [name, { dims, data: Array.from(data as Float32Array | BigInt64Array, Number) }])));
    for (const name of ["x_next", "x0"]) (outputs[name]!.data as Float32Array).set(feeds["x"]!.data as Float32Array);
  };
  return { session: { run } as unknown as ort.InferenceSession, calls };
}

const rows = [0, 1, 2].map((candidate) => ({ condition: condition(1 + candidate), seed: 9, candidate }));
/** The values of each place in the call. */
const places = ({ dims, data }: Feeds[string]) => Array.from({ length: dims[0]! }, (_, i) => data.slice((i * data.length) / dims[0]!, ((i + 1) * data.length) / dims[0]!));

describe("classifier-free guidance", () => {
  test("without it no null row is computed and the null condition is not looked at", async () => {
    const { session, calls } = recorder();
    await sampleRows(session, SHAPE, rows, CANVAS, [step, step], 0, condition(NaN), quiet);
    assert.equal(calls.length, 2);
    for (const feeds of calls) {
      for (const name of ["x", "previous", "t", "keys", "values", "bias", "coefficients", "guidance"]) assert.equal(feeds[name]!.dims[0], 3, name);
      assert.deepEqual(feeds["negative"]!.data, feeds["positive"]!.data);
      assert.ok(feeds["keys"]!.data.every(Number.isFinite));
    }
  });

  test("with it each row's null twin shares the call, on the same state and self-condition", async () => {
    const { session, calls } = recorder();
    const out = await sampleRows(session, SHAPE, rows, CANVAS, [step, step], 1.5, condition(7), quiet);
    assert.deepEqual([calls.length, out.length], [2, 3]);
    for (const feeds of calls) {
      assert.equal(feeds["x"]!.dims[0], 6);
      assert.deepEqual(feeds["positive"]!.data, [0, 0, 2, 2, 4, 4]);
      assert.deepEqual(feeds["negative"]!.data, [1, 1, 3, 3, 5, 5]);
      assert.deepEqual([...new Set(feeds["guidance"]!.data)], [1.5]);
      const keys = places(feeds["keys"]!);
      for (const row of [0, 2, 4]) {
        assert.deepEqual([...new Set(keys[row])], [1 + row / 2]);
        assert.deepEqual([...new Set(keys[row + 1])], [7]);
        for (const name of ["x", "previous"]) assert.deepEqual(places(feeds[name]!)[row + 1], places(feeds[name]!)[row], name);
      }
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
