import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { SOLVERS, type SolverName } from "../../src/engine/contract.js";
import { times, type TimeGrid } from "../../src/model/grid.js";
import { gaussian, philox } from "../../src/model/noise.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { solverSteps } from "../../src/model/solver.js";
import { projectPath } from "../../src/project.js";

const GRIDS: Record<string, TimeGrid> = {
  linear: { name: "linear" },
  logsnr: { name: "logsnr", log_snr_min: -6, log_snr_max: 3 },
  logit_normal: { name: "logit_normal", log_snr_min: -6, log_snr_max: 3, mean: -3, std: 2 },
};

describe("noise schedules", () => {
  test("tan-9 has the published signal levels", () => {
    const { alpha } = noiseSchedule("tan", 9);
    const table = { 0.001: 0.9998, 0.01: 0.98, 0.05: 0.666, 0.1: 0.33, 0.15: 0.176, 0.3: 0.045, 0.5: 0.0122, 0.7: 0.0032 };
    for (const [t, expected] of Object.entries(table)) assert.ok(Math.abs(alpha(Number(t)) - expected) < 6e-4, `${t}: ${alpha(Number(t))}`);
  });

  for (const name of ["tan", "sqrt", "cosine"]) {
    test(`${name}: timeOfLogSnr inverts the log-SNR`, () => {
      const schedule = noiseSchedule(name, 7);
      for (const logSnr of [-5, -2, 0, 1.5, 3]) {
        const alpha = schedule.alpha(schedule.timeOfLogSnr(logSnr));
        assert.ok(Math.abs(Math.log(alpha / (1 - alpha)) - logSnr) < 1e-6);
      }
    });
  }

  test("tan: beta is minus the derivative of log alpha", () => {
    const schedule = noiseSchedule("tan", 9);
    for (const t of [0.05, 0.3, 0.8]) {
      const slope = (Math.log(schedule.alpha(t + 1e-6)) - Math.log(schedule.alpha(t - 1e-6))) / 2e-6;
      assert.ok(Math.abs(schedule.beta(t) + slope) < 1e-4 * schedule.beta(t));
    }
  });

  test("sqrt: beta is clipped to 0 past its pole, as released", () => {
    assert.equal(noiseSchedule("sqrt", 9).beta(1), 0);
    assert.ok(noiseSchedule("sqrt", 9).beta(0.99) > 10);
  });

  test("an unknown name is refused", () => assert.throws(() => noiseSchedule("linear", 1), RangeError));
});

describe("solvers", () => {
  const recorded = JSON.parse(readFileSync(projectPath("tests/fixtures/solver-coefficients.json"), "utf8")) as {
    schedule: string;
    d: number;
    grid: string;
    solver: SolverName;
    steps: number[][];
  }[];

  test("coefficients are those of the training code, for every solver, schedule and grid", () => {
    assert.equal(recorded.length, SOLVERS.length * 12);
    for (const { schedule: name, d, grid, solver, steps } of recorded) {
      const schedule = noiseSchedule(name, d);
      const ours = solverSteps(solver, times(GRIDS[grid]!, 4, schedule), schedule, false);
      ours.forEach(({ t, cx, c0, cPrevious, cNoise }, i) =>
        [t, cx, c0, cPrevious, cNoise].forEach((value, k) => {
          const expected = steps[i]![k]!;
          assert.ok(Math.abs(value - expected) <= 1e-6 * (1 + Math.abs(expected)), `${solver} ${name} ${grid} step ${i}, ${k}: ${value} != ${expected}`);
        }),
      );
    }
  });

  test("the deterministic solvers end at the data when the denoiser knows it", () => {
    const schedule = noiseSchedule("tan", 7);
    for (const solver of ["ddim", "dpmpp_2m"] as const) {
      const grid = times({ name: "logsnr", log_snr_min: -9, log_snr_max: 9 }, 12, schedule);
      let x = 1.3;
      for (const { cx, c0, cPrevious } of solverSteps(solver, grid, schedule, false)) x = cx * x + c0 * 0.7 + cPrevious * 0.7;
      assert.ok(Math.abs(x - 0.7) < 0.03, `${solver}: ${x}`);
    }
  });

  test("the last step adds no noise, and preconditioning adds up to unit variance", () => {
    const schedule = noiseSchedule("tan", 7);
    for (const solver of SOLVERS) {
      const steps = solverSteps(solver, times(GRIDS["logsnr"]!, 5, schedule), schedule, true);
      assert.equal(steps.at(-1)!.cNoise, 0);
      for (const { cSkip, cOut } of steps) assert.ok(Math.abs(cSkip ** 2 + cOut ** 2 - 1) < 1e-9);
    }
  });
});

describe("noise", () => {
  test("Philox4x32-10 gives its published known answers", () => {
    const zero = new Uint32Array(4);
    philox(zero, 0, 0);
    assert.deepEqual([...zero], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const ones = new Uint32Array(4).fill(0xffffffff);
    philox(ones, 0xffffffff, 0xffffffff);
    assert.deepEqual([...ones], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  });

  test("is standard normal", () => {
    const data = new Float32Array(64 * 384);
    gaussian(data, 384, 5, 0, 0);
    const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
    const variance = data.reduce((sum, v) => sum + v * v, 0) / data.length;
    const beyond = data.filter((v) => Math.abs(v) > 1.96).length / data.length;
    assert.ok(Math.abs(mean) < 0.02 && Math.abs(variance - 1) < 0.03 && Math.abs(beyond - 0.05) < 0.006, `${mean} ${variance} ${beyond}`);
  });

  test("a position's values depend on seed, candidate and step, not on the canvas", () => {
    const draw = (positions: number, seed: number, candidate: number, step: number) => {
      const out = new Float32Array(positions * 8);
      gaussian(out, 8, seed, candidate, step);
      return out;
    };
    const base = draw(4, 1, 0, 0);
    assert.deepEqual(draw(9, 1, 0, 0).subarray(0, 32), base);
    for (const other of [draw(4, 2, 0, 0), draw(4, 1, 1, 0), draw(4, 1, 0, 1)]) assert.notDeepEqual(other, base);
  });
});
