import type { BundleSummary, GenerateReply, GenerateRequest, Task } from "../engine/contract.js";

/** How a pipeline lets the process breathe and tells what it does, between two denoising steps. */
export interface RunControl {
  /** Checked between steps: when aborted, `generate` rejects with its reason. */
  signal: AbortSignal;
  /** Awaited between steps, so that messages (cancel, ping) are read while a request is under way. */
  breathe(): Promise<void>;
  /** After each denoising step: rows in the call and its seconds. */
  onStep?(rows: number, seconds: number): void;
  /** Each row's denoised latents [canvas, hidden], by its text's place in the request and its candidate number. */
  onLatents?(text: number, candidate: number, latents: Float32Array): void;
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
