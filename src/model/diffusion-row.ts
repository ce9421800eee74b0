import type { Condition } from "../conditioning/condition.js";
import type { SourceText } from "../conditioning/source.js";
import type { Source } from "../conditioning/sources.js";
import type { BatchRow } from "./batch.js";
import type { Sampled } from "./candidates.js";
import type { Criticism } from "./critic.js";
import type { Decoded } from "./decoder.js";
import type { PartRequest, PartResult, PreparedPart, SampleRow } from "./pipeline-contract.js";
import type { Estimates } from "./quality.js";
import type { SolverStep } from "./solver.js";

/** What is known of a sample besides its text. */
export interface Estimate extends Omit<Estimates, "text"> {
  /** What the critic thinks of it (critic.ts); undefined where the bundle has none. */
  criticism: Criticism | undefined;
  /** Logit for each of its tokens, special ones among them, that a slip is there, the critic's added to the judge's; absent where the bundle cannot tell. */
  doubts: Float32Array | undefined;
}

export interface SpelledSample {
  candidate: Sampled;
  tokens: number;
}

/** What is known of a source, for its samples to be compared with. */
export interface Standard {
  /** What it means (similarity.ts). */
  meaning: Float32Array;
  /** The logit that it reads well (acceptability.ts); 0 where the bundle cannot tell, or nothing is compared with it. */
  reads: number;
  /** The logit that it reads as a rewording of itself (critic.ts), likewise. */
  fits: number;
}

/** A row of this pipeline, with what is needed to read it. */
export interface DiffusionRow extends SampleRow, BatchRow {
  readonly part: DiffusionPart;
  /** The first and the last step, counted from 1, after which the prediction is clamped; none when they cross. */
  readonly clamped: readonly [from: number, to: number];
  done: number;
  decoded?: Decoded;
  /** The text of that. */
  spelled?: SpelledSample | undefined;
  /** Where candidates are ranked by quality. */
  estimate?: Estimate;
  /** Times that it was revised. */
  revisions: number;
  /** Kinds of revision (reviser.ts) that can do no more for it. */
  readonly settled: Set<"mend" | "reword" | "restart" | "inflect">;
}

/** True where samples of a text, or versions of one, are compared: what only tells them apart is not found out for a single one. */
export function isCompared({ best_of, revisions }: PartResult["used"]): boolean {
  return best_of > 1 || revisions > 0;
}

export interface DiffusionPart extends PreparedPart<DiffusionRow> {
  readonly request: PartRequest;
  readonly source: Source;
  readonly index: SourceText;
  /** What its samples are held to, where they are ranked by quality. */
  readonly standard: Standard | undefined;
  readonly condition: Condition;
  readonly plan: readonly SolverStep[];
  readonly used: PartResult["used"];
  readonly conditioningMs: number;
  decodingMs: number;
  /** Its samples. */
  rows: DiffusionRow[];
  /** Revisions of them. */
  revisions: number;
  /** What was estimated of its samples, by their tokens: several often come out the same. */
  readonly estimates: Map<string, Estimate>;
}
