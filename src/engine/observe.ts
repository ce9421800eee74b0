import type { PartResult } from "../model/pipeline-contract.js";
import type { Metrics } from "../telemetry/metrics.js";
import type { Task } from "./contract.js";
import type { TickMessage } from "./protocol.js";

/** Counts one call of a denoiser. @param maxRows the most rows it may have had */
export function observeTick(metrics: Metrics, { task, rows, steps, seconds }: TickMessage, maxRows: number): void {
  metrics.stepSeconds.observe({ task }, seconds);
  metrics.stepRows.observe({ task }, rows);
  metrics.occupancy.observe({ task }, rows / maxRows);
  metrics.callSteps.observe({ task }, steps);
  metrics.rowSteps.inc({ task }, rows * steps);
  metrics.busySeconds.inc(seconds);
}

/** Counts what a finished text cost and what came of it. */
export function observePart(metrics: Metrics, task: Task, { result, timings }: PartResult): void {
  metrics.queueSeconds.observe({ task }, timings.queue / 1000);
  metrics.conditioningSeconds.observe({ task }, timings.conditioning / 1000);
  metrics.decodingSeconds.observe({ task }, timings.decoding / 1000);
  metrics.busySeconds.inc((timings.conditioning + timings.decoding) / 1000);
  metrics.sourceTokens.observe({ task }, result.usage.source_tokens);
  metrics.outputTokens.observe({ task }, result.usage.output_tokens);
  metrics.truncatedTokens.inc({ task }, result.usage.truncated_tokens);
}

/** Counts a finished request. */
export function observeReply(metrics: Metrics, task: Task, { used }: PartResult): void {
  metrics.requestSteps.observe({ task }, used.steps);
}
