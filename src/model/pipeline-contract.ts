import type { BundleSummary, GenerateReply, GenerateRequest, StepEvent, Task } from "../engine/contract.js";

/** How a pipeline lets the process breathe and tells what it does, between two denoising steps. */
export interface RunControl {
  /** Checked between steps: when aborted, `generate` rejects with its reason. */
  signal: AbortSignal;
  /** Awaited between steps, so that messages (cancel, ping) are read while a request is under way. */
  breathe(): Promise<void>;
  /** After each denoising step: rows in the call and its seconds. */
  onStep?(rows: number, seconds: number): void;
  /** What a row reads as at present, as often as the request asks for it. */
  onEvent?(event: StepEvent): void;
}

/** One loaded bundle: text in, text out. Faults of the request reject with a TdiError (src/errors.ts). */
export interface Pipeline {
  readonly task: Task;
  readonly summary: BundleSummary;
  generate(request: GenerateRequest, control: RunControl): Promise<GenerateReply>;
  /** A small real inference through every graph; throws when any fails. */
  warmUp(): Promise<void>;
}

export interface LoadOptions {
  /** Folder whose sub-folders with a bundle.json are the bundles. */
  modelsDir: string;
  /** onnxruntime intra-op threads per session. */
  threads: number;
}
