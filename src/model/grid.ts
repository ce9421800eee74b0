import type { GridName } from "../engine/contract.js";
import type { NoiseSchedule } from "./schedule.js";

/**
 * Where on the schedule a sampler stops by. `logsnr` spaces its times evenly in log-SNR, log(alpha / (1 - alpha));
 * `logit_normal` as training draws them, alpha logit-normal: even quantiles of log-SNR ~ N(mean, std^2), cut to the range.
 */
export type TimeGrid =
  | { name: "linear" }
  | { name: "logsnr"; log_snr_min: number; log_snr_max: number }
  | { name: "logit_normal"; log_snr_min: number; log_snr_max: number; mean: number; std: number };

/** The range of the noise levels that training draws, and the law of them (training/tdi_training/schedule.py). */
const RANGE = { log_snr_min: -9, log_snr_max: 4 };
const LAW = { mean: -3, std: 2 };

/** The end of the linear grid: at 0 the signal is all there is (TEncDM, released code). */
const LAST_TIME = 0.01;

/** A grid by the name in a request, with the bundle's own range where its default grid has one. */
export function gridNamed(name: GridName, preset: TimeGrid): TimeGrid {
  if (name === preset.name) return preset;
  if (name === "linear") return { name };
  const range = preset.name === "linear" ? RANGE : { log_snr_min: preset.log_snr_min, log_snr_max: preset.log_snr_max };
  return name === "logsnr" ? { name, ...range } : { name, ...range, ...LAW };
}

/**
 * `steps + 1` decreasing times. The first is the grid's largest noise level: alpha = 0 for `linear` (t = 1 to 0.01, as in
 * TEncDM), sigmoid(log_snr_min) for the others, that is alpha = 1.2e-4, sigma = 0.99994 at -9. The last is alpha =
 * sigmoid(log_snr_max), 0.982 at 4; for `linear` whatever the schedule has at 0.01 (0.980 on tan-9).
 */
export function times(grid: TimeGrid, steps: number, schedule: NoiseSchedule): number[] {
  const share = Array.from({ length: steps + 1 }, (_, i) => i / steps);
  if (grid.name === "linear") return share.map((s) => 1 + s * (LAST_TIME - 1));
  const { log_snr_min: low, log_snr_max: high } = grid;
  const logSnr = grid.name === "logsnr" ? share.map((s) => low + s * (high - low)) : normalQuantiles(share, grid.mean, grid.std, low, high);
  return logSnr.map((value) => schedule.timeOfLogSnr(value));
}

/** Bins of the table of the normal law; quantiles are then within 1e-5 of exact (tests/unit/grid.test.ts). */
const BINS = 4096;

/** Where N(mean, std^2), cut to [low, high], has these shares of its mass below; `shares` rise. */
function normalQuantiles(shares: readonly number[], mean: number, std: number, low: number, high: number): number[] {
  const width = (high - low) / BINS;
  const density = (value: number) => Math.exp(-0.5 * ((value - mean) / std) ** 2);
  const mass = [0];
  for (let i = 0; i < BINS; i++) {
    const left = low + i * width;
    // Simpson's rule a bin.
    mass.push(mass[i]! + (density(left) + 4 * density(left + width / 2) + density(left + width)) / 6);
  }
  let bin = 0;
  return shares.map((share) => {
    const wanted = share * mass[BINS]!;
    while (bin < BINS - 1 && mass[bin + 1]! < wanted) bin += 1;
    return low + width * (bin + (wanted - mass[bin]!) / (mass[bin + 1]! - mass[bin]!));
  });
}
