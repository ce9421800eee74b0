import type { BundleSummary, GenerateOptions, GenerateReply, StageTimings, StepEvent, Task, TextResult, TickSpan } from "../engine/contract.js";
import type { Device } from "./device.js";

/** One text of a request with all its candidates: what is handed to an engine process. */
export interface PartRequest {
  task: Task;
  text: string;
  /** The text's place in its request. */
  index: number;
  options: GenerateOptions;
  /** Steps between two events of a row; none when absent. */
  everySteps?: number;
  /** Calls of the denoiser that its trace shows each by itself; none are recorded when absent. */
  traceTicks?: number;
}

export interface PartResult {
  model: string;
  result: TextResult;
  used: GenerateReply["used"];
  /** Milliseconds of this text; `queue` until it was begun. */
  timings: StageTimings;
  /** Filled in by whoever runs the calls. */
  ticks?: TickSpan[];
}

/** One row to denoise: one candidate of one text. */
export interface SampleRow {
  /** Rows of one shape can share a call. */
  readonly shape: string;
  /** Rows it takes in a call: two with guidance, for its twin on the null condition. */
  readonly weight: number;
  readonly steps: number;
  /** Steps done. */
  readonly done: number;
}

/** A text that is encoded, and its rows. */
export interface PreparedPart<Row extends SampleRow = SampleRow> {
  readonly rows: readonly Row[];
}

/**
 * One loaded bundle, in the pieces that a scheduler puts together. Every method blocks the process while it computes.
 * Faults of the request reject with a TdiError (src/errors.ts).
 */
export interface Pipeline {
  readonly task: Task;
  readonly summary: BundleSummary;
  /** Holds all texts of a request to the bundle's limits. @throws TdiError that names each text at fault by its place */
  check(texts: readonly string[], options: GenerateOptions): void;
  /** Tokenises and encodes a text. */
  prepare(part: PartRequest): Promise<PreparedPart>;
  /** Takes rows of one shape `steps` steps on in one call. They are then all that is under way in this shape: others of it are dropped. */
  advance(shape: string, rows: readonly SampleRow[], steps: number): Promise<void>;
  /** Forgets a shape that has no rows under way any more. */
  release(shape: string): void;
  /** What a row reads as after its last call: its prediction, or its result after its last step. */
  read(row: SampleRow): Promise<StepEvent>;
  /** Decodes a row whose steps are all done, in the call after which they were. */
  collect(row: SampleRow): Promise<void>;
  /** Further rows of a text, all of which are collected, where what came of them leaves something to wish for; none where it does not. They count as its rows. */
  more(part: PreparedPart): readonly SampleRow[];
  /**
   * Revises a text once, all rows of which are collected and of which there are no more.
   * @param told gets the last event of a row once more where its result became another
   * @returns true where it may do so again
   */
  revise(part: PreparedPart, told?: (event: StepEvent) => void): Promise<boolean>;
  /** The result of a text, all rows of which are collected; `elapsedMs` is the time since its first call, what collecting took included. */
  finish(part: PreparedPart, elapsedMs: number): PartResult;
  /** A real inference of every shape class through every graph; throws when any fails. */
  warmUp(): Promise<void>;
}

export interface LoadOptions {
  /** Folder whose sub-folders with a bundle.json are the bundles. */
  modelsDir: string;
  /** onnxruntime intra-op threads per session. */
  threads: number;
  /** The CPU, with products in int8, when absent. */
  device?: Device;
  /** Folder of prepared graphs (prepared.ts), for products in fp32; none are used when absent. */
  cacheDir?: string;
}
