/** What the HTTP side and the engine say to each other. Plain data: it crosses a process boundary. */

export const TASKS = ["paraphrase", "summarize"] as const;
export type Task = (typeof TASKS)[number];

export const SOLVERS = ["euler_sde", "euler_ode", "ancestral", "ddim", "renoise", "dpmpp_2m"] as const;
export type SolverName = (typeof SOLVERS)[number];

export const GRIDS = ["linear", "logsnr", "logit_normal"] as const;
export type GridName = (typeof GRIDS)[number];

/** Of a source's latents, the largest share that may be taken out of a prediction (src/model/novelty.ts). */
export const MOST_NOVELTY = 0.5;
/** Samples of a text at most, whatever a server's limits. */
export const MOST_SAMPLES = 16;

/** Times that a candidate may be revised at most. */
export const MOST_REVISIONS = 4;

export const RANKINGS = ["mbr", "confidence", "quality"] as const;
export type Ranking = (typeof RANKINGS)[number];

export interface GenerateOptions {
  /** Candidates returned per text at most, best first; at least 1. */
  numCandidates: number;
  /** Rows sampled per text at most, of which the best are returned; at least `numCandidates`. */
  bestOf: number;
  /** Unsigned 32-bit; the same request and seed give the same text. */
  seed: number;
  /** Denoising steps; the bundle's default when absent. */
  steps?: number;
  /** Classifier-free guidance weight w, 0 = off; the bundle's default when absent. */
  guidance?: number;
  /** How far rows are led away from the source's wording, 0 = not (src/model/novelty.ts); the bundle's default when absent. */
  novelty?: number;
  solver?: SolverName;
  /** Spacing of the steps over the noise levels; the bundle's default when absent. */
  grid?: GridName;
  /** Steps before the last whose prediction is read as text and encoded again; the bundle's default when absent. */
  clampSteps?: number;
  /** Times that a candidate may be mended or reworded (src/model/reviser.ts), 0 = not; the bundle's default when absent. */
  revisions?: number;
  /** How candidates are ordered (src/model/candidates.ts); the bundle's default when absent. */
  ranking?: Ranking;
  /** "error": a source over the limit is a 422; "end": it is cut at its end and the reply says by how much. */
  truncation: "error" | "end";
  /** Upper bound on the words of a result; candidates over it rank behind those within it. */
  maxWords?: number;
  /** Positions to denoise: chosen from the source's length, or one of the bundle's canvases. */
  canvas: "auto" | number;
}

export interface GenerateRequest {
  task: Task;
  texts: string[];
  options: GenerateOptions;
  /** Who asks, for fair shares; requests without one share one. */
  client?: string;
  /** Ask for a `StepEvent` of every row after every so many steps, and after its last; at least 1. */
  progress?: { everySteps: number };
  /** Ask for `ticks`: the first so many calls of the denoiser each by itself, the rest as one. */
  traceTicks?: number;
}

/**
 * What a row reads as after `step` of its `steps`: its present prediction of x0, decoded; after the last step, its result; once more where that is revised.
 * Rows report independently of each other. When a lost engine process makes a request run again, its steps are reported again.
 */
export interface StepEvent {
  /** Place of the text in the request. */
  index: number;
  candidate: number;
  /** Steps done, 1 to `steps`. */
  step: number;
  steps: number;
  /** Diffusion time at which the prediction was made: near 1 pure noise, near 0 nearly clean. */
  t: number;
  /** Restored like a result's text; may be empty while little is decided. */
  text: string;
  /** Word pieces up to the first end token, each with the decoder's probability of it, 0..1. */
  tokens: { text: string; confidence: number }[];
}

export type FinishReason = "stop" | "canvas" | "max_words";

export interface Candidate {
  text: string;
  /** Mean over the text's tokens of the decoder's probability of that token, 0..1. */
  score: number;
  is_copy: boolean;
  finish_reason: FinishReason;
  /** Samples that this candidate stands for: itself and near-duplicates merged into it. All add up to the samples, less what came out and is not returned. */
  count: number;
  /** How near its meaning is to the source's: the cosine of their mean encodings, at most 1. Only where candidates are ranked by quality. */
  similarity?: number;
}

export interface Warning {
  code: string;
  message: string;
}

export interface TextResult {
  /** The first candidate's text. */
  text: string;
  candidates: Candidate[];
  usage: { source_tokens: number; truncated_tokens: number; unselected_tokens: number; steps: number; canvas: number; samples: number; revisions: number; output_tokens: number };
  warnings: Warning[];
}

/** Milliseconds. `queue` is filled in by the engine's front, the rest by the pipeline. */
export interface StageTimings {
  queue: number;
  conditioning: number;
  denoising: number;
  decoding: number;
}

/** One call of the denoiser that a text took part in, or, at the end of a long request, all that followed. */
export interface TickSpan {
  /** Milliseconds from the text's first call to the beginning of this one. */
  at: number;
  ms: number;
  /** Rows in the call, those of other requests and twins included; of several calls, the most. */
  rows: number;
  /** Steps that the call took its rows on. */
  steps: number;
  calls: number;
}

export interface GenerateReply {
  model: string;
  results: TextResult[];
  /** What was really used, defaults filled in. */
  used: { steps: number; guidance: number; novelty: number; revisions: number; solver: SolverName; grid: GridName; seed: number; num_candidates: number; best_of: number; ranking: Ranking; clamp_steps: number };
  timings: StageTimings;
  /** Of the text whose timings these are; only for a request that asked for them. */
  ticks?: TickSpan[];
}

/** What /info tells of one loaded bundle. */
export interface BundleSummary {
  task: Task;
  model: string;
  revision: string;
  language: string;
  licence: string;
  provider: string;
  precision: string;
  defaults: { steps: number; guidance: number; novelty: number; revisions: number; solver: SolverName; grid: GridName; clamp_steps: number; best_of: number; ranking: Ranking };
  limits: { source_tokens: number; read_tokens?: number; canvases: number[]; max_steps: number; max_guidance: number };
  scores: Record<string, unknown>;
  sha256: Record<string, string>;
}

/** One field-level fault of a request, named by its path, e.g. "text[2]". Never holds the input itself. */
export interface FieldFault {
  field: string;
  message: string;
}

/** A fault the engine reports; `code` is a key of the table in src/errors.ts. */
export interface EngineFault {
  code: string;
  detail: string;
  faults?: FieldFault[];
}
