/* Made from openapi.yaml by `npm run client-types`; not edited by hand. */

/**
 * Not blank; without NUL and lone surrogates.
 */
export type SourceText = string;
/**
 * The bundle's default when absent.
 */
export type Solver = "euler_sde" | "euler_ode" | "ancestral" | "ddim" | "renoise" | "dpmpp_2m";
/**
 * How the steps are spaced: linear in time from 1 (no signal) to 0.01, as published; logsnr, evenly in the log of the signal-to-noise ratio over the bundle's range; logit_normal, over the same range, as training draws its noise levels. The bundle's default when absent.
 */
export type Grid = "linear" | "logsnr" | "logit_normal";
/**
 * What puts one candidate before another: mbr, its mean smoothed sentence BLEU against all other samples (minimum Bayes risk); confidence, its score; quality, an estimate of how well it says what the text says: near to its meaning, with its numbers, names and negations, readable, agreeing with the other samples, and for a paraphrase in other words. The bundle's default when absent.
 */
export type Ranking = "mbr" | "confidence" | "quality";
export type BatchId = number | string;
/**
 * The answer to one line, its result or its error; `line` counts from 1.
 */
export type BatchAnswer =
  | {
      line: number;
      id?: BatchId;
      result: GenerateReply;
    }
  | {
      line: number;
      id?: BatchId;
      error: Problem | FieldProblem;
    };
export type ErrorCode =
  | "malformed_json"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "not_acceptable"
  | "body_too_large"
  | "unsupported_media_type"
  | "invalid_request"
  | "text_too_long"
  | "text_unreadable"
  | "text_too_short"
  | "internal"
  | "client_over_share"
  | "rate_limited"
  | "queue_full"
  | "not_ready"
  | "engine_restarted"
  | "deadline_exceeded";

/**
 * Every schema of the contract by its name.
 */
export interface Schemas {
  GenerateRequest: GenerateRequest;
  BatchLine: BatchLine;
  BatchId: BatchId;
  BatchAnswer: BatchAnswer;
  SourceText: SourceText;
  Solver: Solver;
  Grid: Grid;
  Ranking: Ranking;
  GenerateReply: GenerateReply;
  StepEvent: StepEvent;
  Result: Result;
  Candidate: Candidate;
  Info: Info;
  Bundle: Bundle;
  ErrorCode: ErrorCode;
  Problem: Problem;
  FieldProblem: FieldProblem;
}
export interface GenerateRequest {
  /**
   * A text, or several that are worked on together.
   */
  text: SourceText | SourceText[];
  /**
   * Candidates of each text that are returned at most, best first. Near-duplicates are one candidate with their count.
   */
  num_candidates?: number;
  /**
   * Samples of each text, of which the best are returned; at least num_candidates. More cost more, are less often a copy of the text, and the best of them is better. Ranked by quality, half of them are drawn first, and the rest only where the best of these is a copy or has a known fault, or where they hold fewer candidates than are asked for (usage.samples). Texts times samples is at most 256, and times steps 4096. The bundle's default when absent, or num_candidates where that is more.
   */
  best_of?: number;
  /**
   * Drawn when absent.
   */
  seed?: number;
  /**
   * Denoising steps; more is slower. The bundle's default when absent.
   */
  steps?: number;
  /**
   * Weight of classifier-free guidance; 0 is off. The bundle's default when absent.
   */
  guidance?: number;
  /**
   * How far samples are led away from the text's own wording; 0 is not at all. More is less alike and less often a copy, and loses more of what the text says. Of several samples some are led further than others, and where the best of the first half says something else the rest is led to the text's wording. The bundle's default when absent.
   */
  novelty?: number;
  /**
   * How often a candidate is revised at most; 0 is never. Of one that reads badly the places at fault are blanked and filled in anew, in several ways, and the best takes its place; a paraphrase that repeats its source is reworded likewise, one place at a time; where the words of a question's best are unlikely even then, the question itself is reworded in its place. At the end words are put into the form that their neighbours ask for, which is not counted. It needs ranking by quality and a bundle that can tell such places. The bundle's default when absent, and none of a single sample (`best_of` 1).
   */
  revisions?: number;
  solver?: Solver;
  grid?: Grid;
  /**
   * Steps before the last after which the prediction is read as text and encoded again, so that sampling goes on from words and not from a blend of them; at most steps - 1 take effect. The bundle's default when absent.
   */
  clamp_steps?: number;
  ranking?: Ranking;
  /**
   * What becomes of a text over the model's limit. error, a 422; end, it is cut at its end and the reply tells.
   */
  truncation?: "error" | "end";
  /**
   * Candidates with more words rank behind those within that are as good otherwise (no copy, nothing else said), and are cut there: their finish_reason is max_words.
   */
  max_words?: number;
  /**
   * Steps between two step events of a row in an event stream; about a tenth of the steps when absent. A JSON reply does not depend on it.
   */
  stream_every?: number;
  /**
   * Positions to denoise, one of the bundle's canvases; auto chooses by the text's length.
   */
  canvas?: "auto" | number;
}
/**
 * A GenerateRequest with its task, and an id that the answer has too.
 */
export interface BatchLine {
  task: "paraphrase" | "summarize";
  id?: BatchId;
  [k: string]: unknown;
}
export interface GenerateReply {
  id: string;
  model: string;
  /**
   * @minItems 1
   */
  results: Result[];
  /**
   * What was really used, defaults filled in.
   */
  used: {
    steps: number;
    guidance: number;
    novelty: number;
    revisions: number;
    solver: Solver;
    grid: Grid;
    clamp_steps: number;
    seed: number;
    num_candidates: number;
    /**
     * Samples of each text at most.
     */
    best_of: number;
    ranking: Ranking;
  };
  seed: number;
  timings_ms: {
    queue: number;
    conditioning: number;
    denoising: number;
    /**
     * Reading samples, estimating and revising included.
     */
    decoding: number;
    /**
     * From the request's headers to its reply.
     */
    total: number;
  };
}
export interface Result {
  /**
   * The first candidate's text.
   */
  text: string;
  /**
   * @minItems 1
   */
  candidates: Candidate[];
  usage: {
    /**
     * Tokens of the text that the model has read.
     */
    source_tokens: number;
    /**
     * Tokens dropped from the text's end.
     */
    truncated_tokens: number;
    /**
     * Tokens of the sentences that the model's sentence selector left out; 0 where it has none.
     */
    unselected_tokens: number;
    steps: number;
    /**
     * Positions that were denoised.
     */
    canvas: number;
    /**
     * Samples that were drawn; best_of at most.
     */
    samples: number;
    /**
     * Revisions that its candidates went through.
     */
    revisions: number;
    /**
     * Tokens of the first candidate.
     */
    output_tokens: number;
  };
  warnings: {
    code: string;
    message: string;
  }[];
}
export interface Candidate {
  text: string;
  /**
   * Mean over the text's tokens of the decoder's probability of that token.
   */
  score: number;
  /**
   * The candidate says the text again.
   */
  is_copy: boolean;
  /**
   * Samples that the candidate stands for, itself and the near-duplicates merged into it: the same words but for case, punctuation and at most one word in ten. The counts of a result add up to usage.samples, less the samples of candidates that are not returned.
   */
  count: number;
  /**
   * How near its meaning is to the text's, the cosine of their mean encodings. Only where candidates are ranked by quality.
   */
  similarity?: number;
  /**
   * stop, the model ended the text; canvas, it filled the canvas without an end; max_words, it had more words than asked for and was cut there.
   */
  finish_reason: "stop" | "canvas" | "max_words";
}
/**
 * RFC 9457 problem details.
 */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  request_id: string;
}
/**
 * Problem details that name every field at fault.
 */
export interface FieldProblem {
  type: string;
  title: string;
  status: 422;
  detail: string;
  code: ErrorCode;
  request_id: string;
  /**
   * @minItems 1
   * @maxItems 50
   */
  errors: {
    field: string;
    message: string;
  }[];
}
/**
 * What a row reads as after some of its steps, and once more after its last where its result was revised.
 */
export interface StepEvent {
  /**
   * Place of the text in the request.
   */
  index: number;
  /**
   * Number of the row among the text's samples (best_of), before they are ranked.
   */
  candidate: number;
  /**
   * Steps done.
   */
  step: number;
  steps: number;
  /**
   * Diffusion time of the prediction: near 1 pure noise, near 0 nearly clean.
   */
  t: number;
  text: string;
  tokens: {
    text: string;
    /**
     * The decoder's probability of this token.
     */
    confidence: number;
  }[];
}
export interface Info {
  name: string;
  version: string;
  ready: boolean;
  languages: string[];
  /**
   * Execution providers really in use.
   */
  providers: string[];
  limits: {
    body_bytes: number;
    /**
     * Of one text.
     */
    text_characters: number;
    /**
     * Of one request.
     */
    texts: number;
    /**
     * Of one text, and samples of it (best_of).
     */
    candidates: number;
    /**
     * Texts times samples of one request.
     */
    rows: number;
    /**
     * Texts times samples times steps of one request.
     */
    row_steps: number;
    /**
     * Rows admitted at a time, waiting and running.
     */
    queued_rows: number;
    /**
     * Rows of one client admitted at a time.
     */
    client_rows: number;
    /**
     * Of one client; 0 is no limit.
     */
    requests_per_minute: number;
    /**
     * Of one client; 0 is no limit.
     */
    rows_per_minute: number;
    deadline_ms: number;
  };
  bundles: Bundle[];
}
export interface Bundle {
  task: "paraphrase" | "summarize";
  model: string;
  revision: string;
  language: string;
  licence: string;
  provider: string;
  precision: string;
  defaults: {
    steps: number;
    guidance: number;
    novelty: number;
    revisions: number;
    solver: Solver;
    grid: Grid;
    clamp_steps: number;
    best_of: number;
    ranking: Ranking;
  };
  limits: {
    /**
     * Tokens that a text may have.
     */
    source_tokens: number;
    /**
     * Tokens that the encoder reads at most, where a sentence selector leaves fewer than the text has.
     */
    read_tokens?: number;
    /**
     * @minItems 1
     */
    canvases: number[];
    max_steps: number;
    max_guidance: number;
  };
  /**
   * Measured quality by data set and metric.
   */
  scores: {};
  /**
   * Digest of each file.
   */
  sha256: {
    [k: string]: string;
  };
}
