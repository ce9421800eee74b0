import type { NoiseSchedule } from "./schedule.js";

/** Where on the schedule a sampler stops by; `logsnr` spaces its times evenly in log(alpha / (1 - alpha)). */
export type TimeGrid = { name: "linear" } | { name: "logsnr"; log_snr_min: number; log_snr_max: number };

/** `steps + 1` decreasing times: linear from 1 to 0.01 (TEncDM), or from the lowest log-SNR to the highest. */
export function times(grid: TimeGrid, steps: number, schedule: NoiseSchedule): number[] {
  const share = Array.from({ length: steps + 1 }, (_, i) => i / steps);
  if (grid.name === "linear") return share.map((s) => 1 + s * (0.01 - 1));
  return share.map((s) => schedule.timeOfLogSnr(grid.log_snr_min + s * (grid.log_snr_max - grid.log_snr_min)));
}
