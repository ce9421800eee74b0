import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Condition } from "../../src/conditioning/condition.js";
import { type BatchRow, DenoiserBatch, type DenoiserSessions } from "../../src/model/batch.js";
import { times } from "../../src/model/grid.js";
import { gaussian } from "../../src/model/noise.js";
import { sampleRows } from "../../src/model/sampler.js";
import { ledAway } from "../../src/model/novelty.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { openSession } from "../../src/model/session.js";
import { solverSteps } from "../../src/model/solver.js";
import type { SolverName } from "../../src/engine/contract.js";
import { projectPath } from "../../src/project.js";

const SHAPE = { hidden: 16, layers: 2, heads: 2 };
const CANVAS = 5;
const WIDTH = 6;
const schedule = noiseSchedule("tan", 7);

function condition(seed: number, masked = 0): Condition {
  const values = (part: number, size: number) => {
    const out = new Float32Array(size);
    gaussian(out, SHAPE.hidden, seed, part, 0);
    return out;
  };
  const deep = SHAPE.layers * WIDTH * SHAPE.hidden;
  const bias = Float32Array.from({ length: WIDTH }, (_, i) => (i < WIDTH - masked ? 0 : -1e9));
  return { width: WIDTH, ids: [], states: values(0, WIDTH * SHAPE.hidden), keys: values(1, deep), values: values(2, deep), bias };
}

function row(seed: number, solver: SolverName, steps: number, guidance = 0, novelty = 0): BatchRow {
  const plan = ledAway(solverSteps(solver, times({ name: "linear" }, steps, schedule), schedule, true), novelty);
  return { condition: { ...condition(seed, seed % 3), ids: [1, 2, 3] }, seed, candidate: 0, plan, guidance, done: 0 };
}

/** On the tiny graphs of training/tests/make_test_graphs.py. */
describe("a batch of rows", () => {
  let sessions: DenoiserSessions;
  before(async () => {
    const graph = (name: string) => openSession(projectPath(`tests/fixtures/graphs/${name}.onnx`), 1);
    sessions = { step: await graph("denoiser"), loop: await graph("denoiser_loop") };
  });

  const batch = () => new DenoiserBatch(sessions, SHAPE, CANVAS, WIDTH, condition(99));

  async function alone(of: BatchRow): Promise<Float32Array> {
    const it = batch();
    it.sync([of]);
    while (of.done < of.plan.length) await it.advance(1);
    return it.state(of);
  }

  test("rows of any solver, guidance, novelty and step count that come and go give the bits they give alone", async () => {
    const make = (): BatchRow[] => [row(1, "ddim", 6), row(2, "euler_sde", 3, 0.5), row(3, "dpmpp_2m", 9, 2), row(4, "ancestral", 4, 0, 0.2), row(5, "renoise", 7, 1), row(6, "euler_ode", 2, 0, 0.3)];
    const expected = await Promise.all(make().map(alone));
    const rows = make();
    const it = batch();
    const results = new Map<BatchRow, Float32Array>();
    for (let tick = 0; results.size < rows.length; tick += 1) {
      // One joins at each call, at most four are under way.
      it.sync(rows.filter((each, i) => i <= tick && !results.has(each)).slice(0, 4));
      await it.advance(1);
      for (const each of rows) if (each.done === each.plan.length && !results.has(each)) results.set(each, it.state(each));
    }
    rows.forEach((each, i) => assert.deepEqual(results.get(each), expected[i], `row ${i}`));
  });

  test("several steps in one call are as many calls, and a row that is done waits unchanged", async () => {
    const make = (): BatchRow[] => [row(1, "ddim", 7, 0, 0.2), row(2, "ancestral", 4, 0.5, 0.1), row(3, "euler_sde", 9)];
    const expected = await Promise.all(make().map(alone));
    for (const steps of [2, 4, 9]) {
      const rows = make();
      const it = batch();
      it.sync(rows);
      while (rows.some((each) => each.done < each.plan.length)) await it.advance(steps);
      rows.forEach((each, i) => assert.deepEqual(it.state(each), expected[i], `${steps} steps a call, row ${i}`));
    }
  });

  test("a twin takes a place, a row that left has none", async () => {
    const [plain, guided] = [row(1, "ddim", 3), row(2, "ddim", 3, 1)];
    const it = batch();
    it.sync([plain, guided]);
    assert.equal(it.slots, 3);
    it.sync([guided]);
    assert.equal(it.slots, 2);
    await it.advance(1);
    assert.deepEqual([plain.done, guided.done], [0, 1]);
    assert.throws(() => it.state(plain), RangeError);
  });

  test("the library's sampler gives the same bits, and shows every step", async () => {
    const expected = await alone(row(2, "ddim", 5, 0.5));
    const { condition: source, plan } = row(2, "ddim", 5, 0.5);
    const seen: number[] = [];
    const control = { signal: new AbortController().signal, breathe: async () => undefined };
    const [got] = await sampleRows(sessions.step, SHAPE, [{ condition: source, seed: 2, candidate: 0 }], CANVAS, plan, 0.5, condition(99), control, (step, states, predictions) => {
      seen.push(step);
      assert.deepEqual([states.length, predictions[0]!.length], [1, CANVAS * SHAPE.hidden]);
    });
    assert.deepEqual(got, expected);
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  });
});
