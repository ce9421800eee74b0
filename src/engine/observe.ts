import type { Metrics } from "../telemetry/metrics.js";
import type { GenerateReply, Task } from "./contract.js";

/** Counts what a finished request cost and what came of it. */
export function observeReply(metrics: Metrics, task: Task, reply: GenerateReply): void {
  const { timings, results, used } = reply;
  metrics.queueSeconds.observe({ task }, timings.queue / 1000);
  metrics.conditioningSeconds.observe({ task }, timings.conditioning / 1000);
  metrics.decodingSeconds.observe({ task }, timings.decoding / 1000);
  metrics.requestSteps.observe({ task }, used.steps);
  for (const { usage } of results) {
    metrics.sourceTokens.observe({ task }, usage.source_tokens);
    metrics.outputTokens.observe({ task }, usage.output_tokens);
    metrics.truncatedTokens.inc({ task }, usage.truncated_tokens);
  }
}
