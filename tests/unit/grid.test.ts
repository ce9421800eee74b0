import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gridNamed, times, type TimeGrid } from "../../src/model/grid.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { GRIDS } from "../../src/engine/contract.js";

const tan9 = noiseSchedule("tan", 9);
const LOGSNR: TimeGrid = { name: "logsnr", log_snr_min: -9, log_snr_max: 4 };
const LOGIT_NORMAL: TimeGrid = { name: "logit_normal", log_snr_min: -9, log_snr_max: 4, mean: -3, std: 2 };

/** log-SNR of each time of a grid. */
function logSnrs(grid: TimeGrid, steps: number): number[] {
  return times(grid, steps, tan9).map((t) => Math.log(tan9.alpha(t) / (1 - tan9.alpha(t))));
}

describe("time grids", () => {
  for (const name of GRIDS) {
    for (const schedule of ["tan", "sqrt", "cosine"]) {
      test(`${name} on ${schedule}: steps + 1 times, all decreasing, within the schedule`, () => {
        const grid = times(gridNamed(name, LOGSNR), 13, noiseSchedule(schedule, 7));
        assert.equal(grid.length, 14);
        for (let i = 1; i < grid.length; i++) assert.ok(grid[i]! < grid[i - 1]!, `${grid}`);
        assert.ok(grid[0]! <= 1 + 1e-12 && grid.at(-1)! >= 0);
      });
    }
  }

  test("largest and smallest noise levels are those stated", () => {
    const level = (grid: TimeGrid, at: number) => tan9.alpha(times(grid, 10, tan9).at(at)!);
    assert.ok(level({ name: "linear" }, 0) < 1e-30);
    assert.ok(Math.abs(level({ name: "linear" }, -1) - 0.98) < 1e-3);
    for (const grid of [LOGSNR, LOGIT_NORMAL]) {
      assert.ok(Math.abs(level(grid, 0) - 1.2339e-4) < 1e-8, String(level(grid, 0)));
      assert.ok(Math.abs(Math.sqrt(1 - level(grid, 0)) - 0.99994) < 1e-5);
      assert.ok(Math.abs(level(grid, -1) - 0.98201) < 1e-5);
    }
  });

  test("linear is the published one, from 1 to 0.01", () => {
    const grid = times({ name: "linear" }, 50, tan9);
    assert.equal(grid[0], 1);
    assert.ok(Math.abs(grid[1]! - 0.9802) < 1e-12 && Math.abs(grid[50]! - 0.01) < 1e-12);
  });

  test("logsnr is even in log-SNR", () => {
    const found = logSnrs(LOGSNR, 13);
    found.forEach((value, i) => assert.ok(Math.abs(value - (i - 9)) < 1e-6, `${i}: ${value}`));
  });

  test("logit_normal is even in the mass of N(-3, 2^2) cut to [-9, 4]", () => {
    // Python: n = statistics.NormalDist(-3, 2); n.inv_cdf(n.cdf(-9) + (n.cdf(4) - n.cdf(-9)) * i / 8)
    const expected = [-5.2895414, -4.3429797, -3.6332902, -2.9971994, -2.3608179, -1.6499944, -0.6996394];
    const found = logSnrs(LOGIT_NORMAL, 8);
    expected.forEach((value, i) => assert.ok(Math.abs(found[i + 1]! - value) < 1e-5, `${i}: ${found[i + 1]} != ${value}`));
  });

  test("a grid by name keeps the bundle's range, and the bundle's own grid is itself", () => {
    const own: TimeGrid = { name: "logsnr", log_snr_min: -7, log_snr_max: 3 };
    assert.equal(gridNamed("logsnr", own), own);
    assert.deepEqual(gridNamed("logit_normal", own), { name: "logit_normal", log_snr_min: -7, log_snr_max: 3, mean: -3, std: 2 });
    assert.deepEqual(gridNamed("linear", own), { name: "linear" });
    assert.deepEqual(gridNamed("logsnr", { name: "linear" }), LOGSNR);
  });
});
