import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry, type OpenMetricsContentType } from "prom-client";
import * as buckets from "./buckets.js";

/** What the gauges tell of an engine at a moment. */
export interface EngineState {
  /** Texts. */
  queueLength: number;
  queueRows: number;
  queueOldestSeconds: number;
  inFlightRows: number;
  enginesReady: number;
}

/** Every metric of the server, in a registry of its own so that two servers in one process do not mix. */
export function createMetrics() {
  // Exemplars need the OpenMetrics type; exposition.ts makes the older format from it.
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // Gauges that are named as counters, and sums of others that stay.
  for (const name of ["handles", "requests", "resources"]) registry.removeSingleMetric(`nodejs_active_${name}_total`);

  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `tdi_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name: `tdi_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, bounds: number[], labelNames: readonly L[]) =>
    new Histogram({ name: `tdi_${name}`, help, buckets: bounds, labelNames, registers });

  /** A gauge that asks the engine when the metrics are read: counting what waits at every request would cost more than it tells. */
  let state = (): EngineState => ({ queueLength: 0, queueRows: 0, queueOldestSeconds: 0, inFlightRows: 0, enginesReady: 0 });
  const read = (name: string, help: string, value: (state: EngineState) => number) =>
    new Gauge({
      name: `tdi_${name}`,
      help,
      registers,
      collect() {
        this.set(value(state()));
      },
    });

  return {
    registry,
    /** Names whose state the gauges tell. */
    watch(engine: () => EngineState): void {
      state = engine;
    },
    requests: counter("requests_total", "HTTP requests by route, task and status (499: the client left first)", ["route", "task", "status"]),
    // prom-client's types take the labels of an exemplar for labels of the metric.
    requestSeconds: new Histogram<"task" | "trace_id">({
      name: "tdi_request_duration_seconds",
      help: "Generation requests from the first byte read to the reply; exemplars carry the trace id",
      labelNames: ["task"],
      buckets: buckets.REQUEST_SECONDS,
      enableExemplars: true,
      registers,
    }),
    queueSeconds: histogram("queue_duration_seconds", "Waiting of a finished text until it was begun", buckets.QUEUE_SECONDS, ["task"]),
    conditioningSeconds: histogram("conditioning_duration_seconds", "Tokenising and encoding a source", buckets.CONDITIONING_SECONDS, ["task"]),
    stepSeconds: histogram("denoising_step_duration_seconds", "One call of a denoiser, over all its rows and steps", buckets.STEP_SECONDS, ["task"]),
    decodingSeconds: histogram("decoding_duration_seconds", "Reading, estimating, revising and ranking the samples of a text", buckets.DECODING_SECONDS, ["task"]),
    stepRows: histogram("denoising_step_rows", "Rows in one call of a denoiser, twins for guidance included", buckets.STEP_ROWS, ["task"]),
    requestSteps: histogram("request_steps", "Denoising steps of a request", buckets.REQUEST_STEPS, ["task"]),
    sourceTokens: histogram("source_tokens", "Tokens of a source as read by the model", buckets.SOURCE_TOKENS, ["task"]),
    outputTokens: histogram("output_tokens", "Tokens of a result's first candidate", buckets.OUTPUT_TOKENS, ["task"]),
    truncatedTokens: counter("truncated_tokens_total", "Source tokens dropped because the client allowed it", ["task"]),
    batchLines: counter("batch_lines_total", "Lines of batches by task and by how they ended: ok, or the code of the error", ["task", "code"]),
    rejected: counter("rejected_total", "Requests answered with an error, by its code", ["reason"]),
    cancelled: counter("cancelled_total", "Admitted requests ended before they were done", ["reason"]),
    queueLength: read("queue_length", "Texts admitted and waiting", (state) => state.queueLength),
    queueRows: read("queue_rows", "Rows admitted and waiting", (state) => state.queueRows),
    queueAge: read("queue_oldest_seconds", "Seconds since the admission of the text that waits longest", (state) => state.queueOldestSeconds),
    inFlightRows: read("in_flight_rows", "Rows that the engine processes have", (state) => state.inFlightRows),
    engineReady: read("engine_ready", "1 while an engine process is loaded and warm", (state) => Math.min(state.enginesReady, 1)),
    enginesReady: read("engines_ready", "Engine processes that are loaded and warm", (state) => state.enginesReady),
    rowSteps: counter("denoising_row_steps_total", "Steps done, times the rows they were done for", ["task"]),
    occupancy: histogram("denoising_step_occupancy_ratio", "Rows in one call, of the most there may be", buckets.OCCUPANCY, ["task"]),
    callSteps: histogram("denoising_call_steps", "Steps in one call of a denoiser (k)", buckets.CALL_STEPS, ["task"]),
    busySeconds: counter("engine_busy_seconds_total", "Seconds the engine processes computed, all together", []),
    engineMemory: gauge("engine_memory_bytes", "Memory that an engine process occupies", ["engine"]),
    engineRestarts: counter("engine_restarts_total", "Replacements of an engine process by reason", ["reason"]),
    bundleInfo: gauge("bundle_info", "1 for each loaded bundle", ["task", "model", "revision", "precision", "provider"]),
    buildInfo: gauge("build_info", "1; the version of the server and of Node.js", ["version", "node"]),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
