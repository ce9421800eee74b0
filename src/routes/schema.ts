import { z } from "zod";
import { GRIDS, MOST_NOVELTY, MOST_REVISIONS, RANKINGS, SOLVERS, type BundleSummary, type FieldFault, type Task } from "../engine/contract.js";
import type { OpenOptions } from "../engine/options.js";
import { samplesOf } from "../engine/samples.js";
import { TdiError } from "../errors.js";

export interface RequestLimits {
  maxTextCharacters: number;
  maxTexts: number;
  maxCandidates: number;
  /** Texts × samples of each. */
  maxRows: number;
  /** Texts × samples × steps. */
  maxRowSteps: number;
}

/** A checked request as the client sent it; what it left out is still absent. */
export interface ParsedRequest {
  /** The text came as a string, not as an array: faults then name "text", not "text[0]". */
  single: boolean;
  texts: string[];
  /** Steps between two step events, for a client that watches. */
  streamEvery: number | undefined;
  options: OpenOptions;
}

/** Most faults listed in one reply; a body of a megabyte can hold tens of thousands. */
const MOST_FAULTS = 50;
/** A field of the client's own making is only named when it looks like a name. */
const NAMEABLE = /^[\w-]{1,64}$/;

function number(min: number, max: number) {
  const message = `must be a number from ${min} to ${max}`;
  return z.number(message).min(min, message).max(max, message);
}

function integer(min: number, max: number) {
  const message = `must be an integer from ${min} to ${max}`;
  return z.number(message).int(message).min(min, message).max(max, message);
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, `must be one of ${values.join(", ")}`);
}

/** Unicode code points, as OpenAPI's maxLength counts. */
function characters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function textSchema(maxCharacters: number) {
  return z.string("must be a string").superRefine((text, context) => {
    const fault = (message: string) => context.addIssue({ code: "custom", message });
    if (text.trim() === "") fault("must not be empty or blank");
    // Code points are at least half the code units, so an oversized text is refused without counting it through.
    else if (text.length > 2 * maxCharacters || characters(text) > maxCharacters) fault(`must have at most ${maxCharacters} characters`);
    else if (!text.isWellFormed()) fault("must not hold lone surrogates");
    else if (text.includes("\0")) fault("must not hold NUL characters");
  });
}

/** Parser of the body of /paraphrase and /summarize under the server's limits. */
export function createRequestParser(limits: RequestLimits): (body: unknown) => ParsedRequest {
  const schema = z.strictObject(
    {
      text: z
        .array(textSchema(limits.maxTextCharacters), "must be a string or an array of strings")
        .min(1, "must hold at least one text")
        .max(limits.maxTexts, `must hold at most ${limits.maxTexts} texts`),
      num_candidates: integer(1, limits.maxCandidates).default(1),
      best_of: integer(1, limits.maxCandidates).optional(),
      seed: integer(0, 0xffff_ffff).optional(),
      steps: integer(1, 200).optional(),
      guidance: number(0, 10).optional(),
      novelty: number(0, MOST_NOVELTY).optional(),
      revisions: integer(0, MOST_REVISIONS).optional(),
      solver: oneOf(SOLVERS).optional(),
      grid: oneOf(GRIDS).optional(),
      clamp_steps: integer(0, 200).optional(),
      ranking: oneOf(RANKINGS).optional(),
      truncation: oneOf(["error", "end"]).default("error"),
      max_words: integer(1, 10_000).optional(),
      stream_every: integer(1, 200).optional(),
      canvas: z.union([z.literal("auto"), integer(1, 10_000)], 'must be "auto" or a positive integer').default("auto"),
    },
    "must be a JSON object",
  );

  return (body) => {
    const single = isObject(body) && typeof body["text"] === "string";
    // A string is checked as an array of one, so that there is one set of rules and messages.
    const parsed = schema.safeParse(single ? { ...body, text: [body["text"]] } : body);
    if (!parsed.success) throw invalid(faultsOf(parsed.error, single));
    const { text: texts, num_candidates: numCandidates, best_of: bestOf, max_words: maxWords, clamp_steps: clampSteps, stream_every: streamEvery, ...rest } = parsed.data;
    if (bestOf !== undefined && bestOf < numCandidates) throw invalid([{ field: "best_of", message: "must be at least num_candidates" }]);
    return { single, texts, streamEvery, options: { ...rest, numCandidates, bestOf, maxWords, clampSteps } };
  };
}

/** Holds a request to the limits of the bundle that will serve it, and to what all its rows and steps together may cost. @throws TdiError invalid_request */
export function checkAgainstBundle(request: ParsedRequest, bundle: BundleSummary, { maxCandidates, maxRows, maxRowSteps }: RequestLimits): void {
  const { limits, defaults } = bundle;
  const { steps, guidance, canvas, numCandidates, bestOf } = request.options;
  const faults: FieldFault[] = [];
  if (steps !== undefined && steps > limits.max_steps) faults.push({ field: "steps", message: `must be at most ${limits.max_steps} with this model` });
  if (guidance !== undefined && guidance > limits.max_guidance) faults.push({ field: "guidance", message: `must be at most ${limits.max_guidance} with this model` });
  if (canvas !== "auto" && !limits.canvases.includes(canvas)) {
    faults.push({ field: "canvas", message: `must be "auto" or one of ${limits.canvases.join(", ")} with this model` });
  }
  const samples = samplesOf(request.options, bundle, maxCandidates);
  const rows = request.texts.length * samples;
  const rowSteps = rows * (steps ?? defaults.steps);
  // Of what the client sent, that which made it so many.
  const many = bestOf !== undefined ? "best_of" : numCandidates === samples ? "num_candidates" : "text";
  if (faults.length === 0 && rows > maxRows) {
    faults.push({ field: many, message: `texts times samples of each must be at most ${maxRows}; they are ${request.texts.length} times ${samples} (best_of)` });
  } else if (faults.length === 0 && rowSteps > maxRowSteps) {
    faults.push({ field: steps === undefined ? many : "steps", message: `texts times samples of each times steps must be at most ${maxRowSteps}; they are ${rowSteps}` });
  }
  if (faults.length > 0) throw invalid(faults);
}

/** The loaded bundle that serves a task. @throws TdiError not_found */
export function bundleFor(bundles: ReadonlyMap<Task, BundleSummary>, task: Task): BundleSummary {
  const bundle = bundles.get(task);
  if (!bundle) throw new TdiError("not_found", `No loaded bundle serves the task ${task}.`);
  return bundle;
}

/** An error of the engine in the client's terms: its text number 0 is plain "text" when the client sent a string. */
export function inClientTerms(error: TdiError, single: boolean): TdiError {
  if (!single || !error.faults) return error;
  return new TdiError(error.code, error.detail, error.faults.map((fault) => ({ ...fault, field: plainText(fault.field) })), error.retryAfterSeconds);
}

function plainText(field: string): string {
  return field === "text[0]" ? "text" : field;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(faults: FieldFault[]): TdiError {
  const shown = faults.slice(0, MOST_FAULTS);
  const rest = faults.length - shown.length;
  const fields = faults.length === 1 ? "1 field is" : `${faults.length} fields are`;
  return new TdiError("invalid_request", `${fields} at fault${rest > 0 ? `; the first ${shown.length} are listed` : ""}.`, shown);
}

function faultsOf(error: z.ZodError, single: boolean): FieldFault[] {
  return error.issues.flatMap((issue): FieldFault[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ field: NAMEABLE.test(key) ? key : "(unnameable)", message: "is not a known field" }));
    }
    const field = issue.path.reduce<string>((path, part) => (typeof part === "number" ? `${path}[${part}]` : `${path}${path && "."}${String(part)}`), "");
    return [{ field: single ? plainText(field) : field || "(body)", message: issue.message }];
  });
}
