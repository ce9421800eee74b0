import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type * as ort from "onnxruntime-node";
import { MOST_NOVELTY, SOLVERS } from "../../src/engine/contract.js";
import { DenoiserBatch } from "../../src/model/batch.js";
import { times } from "../../src/model/grid.js";
import { gaussian } from "../../src/model/noise.js";
import { ledAway, noveltyOf } from "../../src/model/novelty.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { solverSteps } from "../../src/model/solver.js";

const schedule = noiseSchedule("tan", 7);
const close = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) <= 1e-9 * (1 + Math.abs(b)), `${what}: ${a}, not ${b}`);

describe("novelty", () => {
  for (const solver of SOLVERS) {
    test(`${solver}: every step but the last goes on from (x0 - novelty z) / (1 - novelty)`, () => {
      const plan = solverSteps(solver, times({ name: "logsnr", log_snr_min: -9, log_snr_max: 4 }, 5, schedule), schedule, true);
      const led = ledAway(plan, 0.3);
      const [x, x0, before, z, noise] = [0.7, -1.1, 0.4, 2.3, -0.6];
      const away = (prediction: number) => (prediction - 0.3 * z) / 0.7;
      for (const [i, step] of plan.entries()) {
        const wanted = step.cx * x + step.c0 * (i === plan.length - 1 ? x0 : away(x0)) + step.cPrevious * away(before) + step.cNoise * noise;
        const { cx, c0, cPrevious, cNoise, cSource } = led[i]!;
        close(cx * x + c0 * x0 + cPrevious * before + cNoise * noise + cSource * z, wanted, `step ${i}`);
      }
      // A prediction that is the source already stays there.
      close(led[0]!.c0 + led[0]!.cSource, plan[0]!.c0, "the copy");
    });
  }

  test("none leaves the plan as it is", () => {
    const plan = solverSteps("ddim", times({ name: "linear" }, 3, schedule), schedule, true);
    assert.equal(ledAway(plan, 0), plan);
  });

  test("samples differ in it: the first has what was asked for, after a copy the rest goes further, after a loss it stays nearer", () => {
    const [apart, further, nearer] = (["apart", "further", "nearer"] as const).map((lead) => Array.from({ length: 8 }, (_, i) => noveltyOf(0.2, lead, i)));
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    assert.equal(apart![0], 0.2);
    assert.ok(new Set(apart!.slice(0, 4)).size === 4 && mean(nearer!) < mean(apart!) && mean(apart!) < mean(further!));
    assert.ok([0.3, MOST_NOVELTY].every((asked) => Math.max(...further!.map((_, i) => noveltyOf(asked, "further", i))) === MOST_NOVELTY), "never beyond the most");
    assert.equal(noveltyOf(0, "further", 3), 0);
  });

  test("where the source's wording is wanted back its share of the mean grows, whatever novelty was asked for", () => {
    const plan = solverSteps("renoise", times({ name: "linear" }, 4, schedule), schedule, true);
    const back = Array.from({ length: 4 }, (_, i) => noveltyOf(0.2, "back", i));
    assert.deepEqual(back, Array.from({ length: 4 }, (_, i) => noveltyOf(0, "back", i)));
    assert.ok(Math.min(...back) < 0 && Math.max(...back) <= 0, `${back}`);
    const [x0, z] = [-1.1, 2.3];
    for (const novelty of back) {
      const { c0, cSource } = ledAway(plan, novelty)[0]!;
      close(c0 * x0 + cSource * z, (plan[0]!.c0 * (x0 - novelty * z)) / (1 - novelty), `${novelty}`);
    }
  });

  test("the graph is fed the source's latents with the noise, or in its place, on the source's own places only", async () => {
    const [hidden, canvas, width] = [2, 4, 3];
    const fed: { noise: number[]; coefficients: number[] }[] = [];
    const session = {
      run: async (feeds: Record<string, ort.Tensor>) => {
        const of = (name: string) => Array.from(feeds[name]!.data as Float32Array);
        fed.push({ noise: of("noise"), coefficients: of("coefficients") });
      },
    } as unknown as ort.InferenceSession;
    const filled = (size: number, value: number) => new Float32Array(size).fill(value);
    // Two tokens; what stands at the third place of the states is padding's.
    const condition = { width, ids: [5, 6], states: filled(width * hidden, 2), keys: filled(6, 0), values: filled(6, 0), bias: filled(width, 0) };
    const step = { t: 0.5, cx: 0, c0: 1, cPrevious: 0, cSkip: 0, cOut: 1 };
    const plan = [{ ...step, cNoise: 0.5, cSource: -0.25 }, { ...step, cNoise: 0, cSource: -0.25 }, { ...step, cNoise: 0, cSource: 0 }];
    const batch = new DenoiserBatch({ step: session }, { hidden, heads: 1 }, canvas, width, condition);
    batch.sync([{ condition, seed: 3, candidate: 1, plan, guidance: 0, done: 0 }]);
    for (let i = 0; i < plan.length; i += 1) await batch.advance(1);

    const noise = new Float32Array(canvas * hidden);
    gaussian(noise, hidden, 3, 1, 1);
    const inside = (i: number) => i < 2 * hidden;
    assert.deepEqual(fed[0]!.noise, Array.from(noise, (value, i) => (inside(i) ? Math.fround(value - 1) : value)));
    assert.equal(fed[0]!.coefficients[3], 0.5);
    assert.deepEqual(fed[1]!.noise, Array.from(noise, (_, i) => (inside(i) ? -0.5 : 0)));
    assert.equal(fed[1]!.coefficients[3], 1);
    assert.deepEqual([fed[2]!.noise.every((value) => value === 0), fed[2]!.coefficients[3]], [true, 0]);
  });
});
