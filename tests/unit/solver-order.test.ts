import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SolverName } from "../../src/engine/contract.js";
import { times, type TimeGrid } from "../../src/model/grid.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { solverSteps } from "../../src/model/solver.js";

/**
 * Data x0 ~ N(M, S^2) in one dimension, where everything is known: the best denoiser is linear in x, the probability flow
 * keeps (x - mu M) / sqrt(mu^2 S^2 + sigma^2), and a sampler keeps x normal, so that its mean and variance say all.
 */
const M = 0.7;
const S = 0.4;
const schedule = noiseSchedule("tan", 9);
const RANGE: TimeGrid = { name: "logsnr", log_snr_min: -6, log_snr_max: 4 };

const level = (t: number) => ({ mu: Math.sqrt(schedule.alpha(t)), variance: schedule.alpha(t) * S * S + 1 - schedule.alpha(t) });

/** x0 = M + gain (x - mu M), without self-conditioning. */
function denoiser(t: number): { gain: number; mu: number } {
  const { mu, variance } = level(t);
  return { gain: (S * S * mu) / variance, mu };
}

/** |what a deterministic solver ends at - the exact flow's end| from x = 1.1. */
function flowError(solver: SolverName, steps: number): number {
  const grid = times(RANGE, steps, schedule);
  const [first, last] = [level(grid[0]!), level(grid.at(-1)!)];
  const start = 1.1;
  const exact = last.mu * M + Math.sqrt(last.variance / first.variance) * (start - first.mu * M);
  let x = start;
  let previous = 0;
  for (const { t, cx, c0, cPrevious } of solverSteps(solver, grid, schedule, false)) {
    const { gain, mu } = denoiser(t);
    const x0 = M + gain * (x - mu * M);
    x = cx * x + c0 * x0 + cPrevious * previous;
    previous = x0;
  }
  return Math.abs(x - exact);
}

/** Mean and variance of what a solver with noise ends at, from the exact law at the grid's start. */
function law(solver: SolverName, steps: number): { mean: number; variance: number; exact: { mu: number; variance: number } } {
  const grid = times(RANGE, steps, schedule);
  const start = level(grid[0]!);
  let [mean, variance] = [start.mu * M, start.variance];
  for (const { t, cx, c0, cNoise } of solverSteps(solver, grid, schedule, false)) {
    const { gain, mu } = denoiser(t);
    mean = cx * mean + c0 * (M + gain * (mean - mu * M));
    variance = (cx + c0 * gain) ** 2 * variance + cNoise ** 2;
  }
  return { mean, variance, exact: level(grid.at(-1)!) };
}

/** The order seen from one step count to its double. */
const order = (coarse: number, fine: number) => Math.log2(coarse / fine);

describe("solver orders on an analytic Gaussian denoiser, tan-9, log-SNR -6 to 4", () => {
  for (const [solver, expected, at, bound] of [
    ["euler_ode", 1, 256, 0.03],
    ["ddim", 1, 64, 0.02],
    ["dpmpp_2m", 2, 64, 0.0015],
  ] as const) {
    test(`${solver} is of order ${expected} within 0.25 at ${at} to ${2 * at} steps, its error at ${at} under ${bound}`, () => {
      const [coarse, fine] = [flowError(solver, at), flowError(solver, 2 * at)];
      assert.ok(Math.abs(order(coarse, fine) - expected) < 0.25, `${coarse} ${fine}: ${order(coarse, fine)}`);
      assert.ok(coarse < bound, String(coarse));
    });
  }

  for (const [solver, at, bound] of [["euler_sde", 256, 0.06], ["ancestral", 64, 0.03]] as const) {
    test(`${solver} is of weak order 1 within 0.3 at ${at} to ${2 * at} steps, its error at ${at} under ${bound}`, () => {
      const errors = [at, 2 * at].map((steps) => {
        const { mean, variance, exact } = law(solver, steps);
        return Math.max(Math.abs(mean - exact.mu * M), Math.abs(variance - exact.variance));
      }) as [number, number];
      assert.ok(Math.abs(order(...errors) - 1) < 0.3, `${errors}: ${order(...errors)}`);
      assert.ok(errors[0] < bound, String(errors[0]));
    });
  }

  test("renoise keeps the mean, and has no order: its spread falls short of the data's however many steps", () => {
    for (const steps of [64, 512]) {
      const { mean, variance, exact } = law("renoise", steps);
      assert.ok(Math.abs(mean - exact.mu * M) < 0.01, `${mean}`);
      assert.ok(variance < 0.9 * exact.variance, `${variance} ${exact.variance}`);
    }
  });

  test("DPM-Solver++(2M) starts with a first-order step, which is DDIM's, and is of second order from then on", () => {
    const grid = times(RANGE, 8, schedule);
    const [first, second] = solverSteps("dpmpp_2m", grid, schedule, false);
    const [ddim] = solverSteps("ddim", grid, schedule, false);
    for (const key of ["cx", "c0", "cPrevious", "cNoise"] as const) assert.ok(Math.abs(first![key] - ddim![key]) < 1e-12, key);
    assert.equal(first!.cPrevious, 0);
    assert.notEqual(second!.cPrevious, 0);
  });
});
