import { TdiError } from "../errors.js";
import type { GenerateReply, GenerateRequest, StepEvent } from "./contract.js";

/** Why an admitted request ended before it was done. */
export type CancelReason = "client_gone" | "deadline" | "shutdown";

/** One admitted request, from its admission until the engine process has let go of it. */
export interface Job {
  readonly id: number;
  readonly request: GenerateRequest;
  /** Slots it holds: texts × candidates. */
  readonly rows: number;
  /** Milliseconds, monotonic. */
  readonly admittedAt: number;
  /** When it was last sent to the engine process. */
  sentAt: number;
  /** How often it was sent. */
  attempts: number;
  /** The caller has its answer; the engine process may still be at work. */
  settled: boolean;
  /** Told of each step event while it is not settled. */
  readonly onProgress: ((event: StepEvent) => void) | undefined;
  resolve(reply: GenerateReply): void;
  reject(error: Error): void;
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
