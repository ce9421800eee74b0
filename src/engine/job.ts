import { TdiError } from "../errors.js";
import type { PartResult } from "../model/pipeline-contract.js";
import type { GenerateReply, GenerateRequest, StepEvent } from "./contract.js";
import type { Queueable } from "./fair-queue.js";

/** Why an admitted request ended before it was done. */
export type CancelReason = "client_gone" | "deadline" | "shutdown";

/** One admitted request, from its admission until the engine processes have let go of all its texts. */
export interface Job {
  readonly request: GenerateRequest;
  readonly client: string;
  /** Milliseconds, monotonic. */
  readonly admittedAt: number;
  readonly parts: Part[];
  /** Of each text that is done. */
  readonly results: (PartResult | undefined)[];
  /** No text is at fault, so that all may be worked on. */
  checked: boolean;
  /** The caller has its answer; engine processes may still be at work. */
  settled: boolean;
  /** Told of each step event while it is not settled. */
  readonly onProgress: ((event: StepEvent) => void) | undefined;
  resolve(reply: GenerateReply): void;
  reject(error: Error): void;
}

/** One text of a request: what waits and is handed to an engine process. */
export interface Part extends Queueable {
  /** A new one each time it is sent; they rise. */
  id: number;
  readonly job: Job;
  /** The text's place in its request. */
  readonly index: number;
  /** Slots it holds: its samples. */
  readonly rows: number;
  /** Rows it takes in a call: twice its samples with guidance. */
  readonly weight: number;
  /** How often it was sent to an engine process. */
  attempts: number;
  /** It was at work in a process that was lost, and runs again without company. */
  suspect: boolean;
  /** When it was last sent. */
  sentAt: number;
  /** Its slots have been given back. */
  over: boolean;
}

/** The caller went away, so nobody reads this error's message. */
export class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

/** What the caller of a cancelled request gets. */
export function cancelError(reason: CancelReason, deadlineMs: number): Error {
  if (reason === "client_gone") return new ClientGoneError();
  if (reason === "shutdown") return new TdiError("not_ready", "The server shut down before this request was done.");
  return new TdiError("deadline_exceeded", `The request was not done within ${deadlineMs} ms.`);
}

/** The reply of a request whose texts are all done. Its timings are those of the text that took longest. */
export function replyOf(job: Job): GenerateReply {
  const results = job.results.map((result) => result!);
  const { model, used } = results[0]!;
  // Of several texts the one that took longest speaks for the request.
  const total = ({ timings }: PartResult) => timings.queue + timings.conditioning + timings.denoising + timings.decoding;
  const longest = results.reduce((most, result) => (total(result) > total(most) ? result : most));
  return { model, results: results.map(({ result }) => result), used, timings: longest.timings, ...(longest.ticks && { ticks: longest.ticks }) };
}
