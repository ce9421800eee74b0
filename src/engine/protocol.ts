import type { LoadOptions } from "../model/pipeline-contract.js";
import type { FailureTrace } from "../telemetry/failure.js";
import type { BundleSummary, EngineFault, GenerateReply, GenerateRequest, StepEvent } from "./contract.js";

/** What the server process tells the engine process. `load` comes first and once. */
export type ToWorker =
  | { type: "load"; options: LoadOptions }
  | { type: "run"; id: number; request: GenerateRequest }
  | { type: "cancel"; id: number }
  | { type: "ping" };

/** What the engine process tells the server process. Every `run` is answered by one of done, failed, cancelled. */
export type FromWorker =
  | { type: "ready"; bundles: BundleSummary[]; seconds: number }
  | { type: "load_failed"; message: string }
  /** The run is alive: sent at its start and, between steps, a few times a second. */
  | { type: "progress"; id: number }
  /** One denoising step is done: rows in the call, and its seconds. */
  | { type: "step"; id: number; rows: number; seconds: number }
  /** What a row reads as at present; only for a request that asked for it. */
  | { type: "event"; id: number; event: StepEvent }
  | { type: "done"; id: number; reply: GenerateReply }
  | { type: "failed"; id: number; fault: EngineFault; trace?: FailureTrace }
  | { type: "cancelled"; id: number }
  | { type: "pong" };

/** The messages after which a run is over. */
export type RunEnd = Extract<FromWorker, { type: "done" | "failed" | "cancelled" }>;

export function isRunEnd(message: FromWorker): message is RunEnd {
  return message.type === "done" || message.type === "failed" || message.type === "cancelled";
}
