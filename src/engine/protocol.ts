import type { LoadOptions, PartRequest, PartResult } from "../model/pipeline-contract.js";
import type { FailureTrace } from "../telemetry/failure.js";
import type { BundleSummary, EngineFault, StepEvent, Task } from "./contract.js";
import type { StepSchedulerOptions } from "./step-scheduler.js";

export interface EngineLoadOptions extends LoadOptions {
  scheduler: StepSchedulerOptions;
}

/** Exit code of an engine process that could not get memory. */
export const OUT_OF_MEMORY_EXIT = 12;

/** What the server process tells an engine process. `load` comes first and once; the ids of runs rise. */
export type ToWorker =
  | { type: "load"; options: EngineLoadOptions }
  /** `check`: all texts of the request, to be held to the limits before the part is begun; answered by `checked` or `failed`. */
  | { type: "run"; id: number; part: PartRequest; check?: string[] }
  | { type: "cancel"; id: number }
  | { type: "ping" };

/** What an engine process tells the server process. Every `run` is answered by one of done, failed, cancelled. */
export type FromWorker =
  | { type: "ready"; bundles: BundleSummary[]; seconds: number }
  | { type: "load_failed"; message: string }
  | { type: "checked"; id: number }
  | TickMessage
  /** What a row reads as at present; only for a request that asked for it. */
  | { type: "event"; id: number; event: StepEvent }
  | { type: "done"; id: number; result: PartResult }
  | { type: "failed"; id: number; fault: EngineFault; trace?: FailureTrace }
  | { type: "cancelled"; id: number }
  /** Bytes of memory the process occupies. */
  | { type: "memory"; bytes: number }
  | { type: "pong" };

/** One call of a denoiser is done. */
export interface TickMessage {
  type: "tick";
  task: Task;
  /** Rows in the call, twins included. */
  rows: number;
  steps: number;
  seconds: number;
  /** Row-steps still to do of the runs up to id `seen`. */
  pending: number;
  seen: number;
}

/** The messages after which a run is over. */
export type RunEnd = Extract<FromWorker, { type: "done" | "failed" | "cancelled" }>;

export function isRunEnd(message: FromWorker): message is RunEnd {
  return message.type === "done" || message.type === "failed" || message.type === "cancelled";
}
