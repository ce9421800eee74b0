import { readFile } from "node:fs/promises";
import type * as ort from "onnxruntime-node";
import { type Condition, Conditioner } from "../conditioning/condition.js";
import { EMPTY_LEXICON, type Lexicon, loadLexicon, restoreFrom } from "../conditioning/restore.js";
import { SourceText } from "../conditioning/source.js";
import { readSources, type Source } from "../conditioning/sources.js";
import { Tokenizer } from "../conditioning/tokenizer.js";
import type { BundleSummary, Candidate, GenerateReply, GenerateRequest, StageTimings, StepEvent, Task, TextResult } from "../engine/contract.js";
import { type Bundle, readBundles } from "./bundle.js";
import { cutWords, isCopy, rank } from "./candidates.js";
import { decodeRows, type Decoded } from "./decoder.js";
import { times } from "./grid.js";
import type { LoadOptions, Pipeline, RunControl } from "./pipeline-contract.js";
import { type Row, sampleRows } from "./sampler.js";
import { noiseSchedule } from "./schedule.js";
import { openSession } from "./session.js";
import { solverSteps } from "./solver.js";

/**
 * Rows in one call. One: fp32 sums run in another order for another number of rows, and a sampler can make a word of
 * that, so only rows apart give the same text in any company; more would add little throughput on a CPU.
 */
const MAX_ROWS = 1;

interface PlannedRow extends Row {
  text: number;
  canvas: number;
}

/** Parts of a list that share a key, each of at most `size` members, in order of first appearance. */
function groups<T>(items: readonly T[], key: (item: T) => string, size: number): T[][] {
  const byKey = new Map<string, T[][]>();
  for (const item of items) {
    const lists = byKey.get(key(item)) ?? [];
    if (lists.length === 0) byKey.set(key(item), lists);
    const open = lists.at(-1);
    if (open !== undefined && open.length < size) open.push(item);
    else lists.push([item]);
  }
  return [...byKey.values()].flat();
}

/** A bundle, loaded: text in, text out. */
class TextDiffusion implements Pipeline {
  readonly task: Task;
  readonly summary: BundleSummary;
  private readonly nulls = new Map<number, Promise<Condition>>();

  constructor(
    private readonly bundle: Bundle,
    private readonly tokenizer: Tokenizer,
    private readonly conditioner: Conditioner,
    private readonly denoiser: ort.InferenceSession,
    private readonly decoder: ort.InferenceSession,
    private readonly lexicon: Lexicon,
  ) {
    const { card } = bundle;
    this.task = card.task;
    this.summary = {
      task: card.task,
      model: card.name,
      revision: card.revision,
      language: card.language,
      licence: card.licence,
      provider: "cpu",
      precision: card.precision,
      defaults: { steps: card.defaults.steps, guidance: card.defaults.guidance, solver: card.defaults.solver, grid: card.defaults.grid.name },
      limits: card.limits,
      scores: card.scores,
      sha256: Object.fromEntries(Object.entries(card.files).map(([role, file]) => [role, file!.sha256])),
    };
  }

  async generate(request: GenerateRequest, control: RunControl): Promise<GenerateReply> {
    const { card } = this.bundle;
    const { options } = request;
    const steps = options.steps ?? card.defaults.steps;
    const guidance = options.guidance ?? card.defaults.guidance;
    const solver = options.solver ?? card.defaults.solver;
    const timings: StageTimings = { queue: 0, conditioning: 0, denoising: 0, decoding: 0 };
    const clock = async <T>(stage: keyof StageTimings, work: () => Promise<T>): Promise<T> => {
      const began = performance.now();
      const result = await work();
      timings[stage] += performance.now() - began;
      return result;
    };

    const { sources, conditions } = await clock("conditioning", async () => {
      const sources = readSources(this.tokenizer, card, request);
      return { sources, conditions: await this.condition(sources, control) };
    });

    const schedule = noiseSchedule(card.schedule.name, card.schedule.d);
    const plan = solverSteps(solver, times(card.defaults.grid, steps, schedule), schedule, card.model.precondition);
    const rows: PlannedRow[] = sources.flatMap((source, text) =>
      Array.from({ length: options.numCandidates }, (_, candidate) => ({
        text,
        candidate,
        seed: options.seed,
        canvas: source.canvas,
        condition: conditions[text]!,
      })),
    );
    const indexes = sources.map((source) => new SourceText(source.text));
    /** Decodes the prediction of a group's rows after every so many steps, and after the last. */
    const report = (group: readonly PlannedRow[]) => async (step: number, t: number, x0: readonly Float32Array[]) => {
      if (step % request.progress!.everySteps !== 0 && step !== steps) return;
      const decoded = await decodeRows(this.decoder, x0, group.map((row) => row.condition), group[0]!.canvas, card.model.hidden, card.tokens);
      group.forEach(({ text, candidate }, i) => control.onEvent?.({ index: text, candidate, step, steps, t, ...this.reading(decoded[i]!, indexes[text]!) }));
    };
    const found: { row: PlannedRow; decoded: Decoded }[] = [];
    for (const group of groups(rows, (row) => `${row.canvas}/${row.condition.width}`, MAX_ROWS)) {
      const { canvas, condition } = group[0]!;
      const nullCondition = await this.nullFor(condition.width);
      const latents = await clock("denoising", () =>
        sampleRows(this.denoiser, card.model, group, canvas, plan, guidance, nullCondition, control, request.progress && report(group)),
      );
      const decoded = await clock("decoding", () =>
        decodeRows(this.decoder, latents, group.map((row) => row.condition), canvas, card.model.hidden, card.tokens),
      );
      found.push(...group.map((row, i) => ({ row, decoded: decoded[i]! })));
      await control.breathe();
    }

    const results = sources.map((source, text): TextResult => {
      const index = indexes[text]!;
      const mine = found.filter(({ row }) => row.text === text).sort((a, b) => a.row.candidate - b.row.candidate);
      const spelled = mine.map(({ decoded }) => this.candidate(decoded, source, index, options.maxWords));
      const candidates = rank(spelled.map(({ candidate }) => candidate), this.task);
      const first = spelled.find(({ candidate }) => candidate === candidates[0])!;
      return {
        text: candidates[0]!.text,
        candidates,
        usage: {
          source_tokens: source.ids.length,
          truncated_tokens: source.truncated,
          steps,
          canvas: source.canvas,
          output_tokens: first.tokens,
        },
        warnings: source.warnings,
      };
    });
    return {
      model: card.name,
      results,
      used: { steps, guidance, solver, grid: card.defaults.grid.name, seed: options.seed, num_candidates: options.numCandidates },
      timings,
    };
  }

  /** What a row reads as: its text, and its tokens with the decoder's confidence in each. */
  private reading(decoded: Decoded, index: SourceText): Pick<StepEvent, "text" | "tokens"> {
    const spelled = this.tokenizer.spell(decoded.ids);
    const tokens = spelled.map((text, i) => ({ text, confidence: Number(decoded.confidences[i]!.toFixed(4)) }));
    return { text: restoreFrom(index, spelled, this.lexicon), tokens };
  }

  async warmUp(): Promise<void> {
    const text = "This is a short text that the server reads once at its start, to see that every graph runs. ".repeat(3);
    const quiet: RunControl = { signal: new AbortController().signal, breathe: async () => undefined };
    const options = { numCandidates: 1, seed: 0, steps: 2, truncation: "end", canvas: "auto" } as const;
    const reply = await this.generate({ task: this.task, texts: [text], options }, quiet);
    if (reply.results[0]?.text === undefined) throw new Error(`bundle ${this.summary.model}: the warm-up gave no text`);
  }

  private candidate(decoded: Decoded, source: Source, index: SourceText, maxWords: number | undefined): { candidate: Candidate; tokens: number } {
    const text = restoreFrom(index, this.tokenizer.spell(decoded.ids), this.lexicon);
    const cut = maxWords === undefined ? undefined : cutWords(text, maxWords);
    const candidate: Candidate = {
      text: cut ?? text,
      score: Number(decoded.score.toFixed(4)),
      is_copy: isCopy(cut ?? text, source.text),
      finish_reason: cut !== undefined ? "max_words" : decoded.ended ? "stop" : "canvas",
    };
    return { candidate, tokens: decoded.ids.length };
  }

  /** Conditions of all sources, in order; sources of one padded width share a call. */
  private async condition(sources: readonly Source[], control: RunControl): Promise<Condition[]> {
    const out = new Array<Condition>(sources.length);
    const places = sources.map((_, i) => i);
    for (const group of groups(places, (i) => String(sources[i]!.width), MAX_ROWS)) {
      control.signal.throwIfAborted();
      const encoded = await this.conditioner.encode(group.map((i) => sources[i]!.ids), sources[group[0]!]!.width);
      group.forEach((place, i) => (out[place] = encoded[i]!));
      await control.breathe();
    }
    return out;
  }

  /** The null condition, the encoding of the empty text, padded to a width. */
  private nullFor(width: number): Promise<Condition> {
    const { cls, sep } = this.bundle.card.tokens;
    let found = this.nulls.get(width);
    if (found === undefined) this.nulls.set(width, (found = this.conditioner.encode([[cls, sep]], width).then(([only]) => only!)));
    return found;
  }
}

async function load(bundle: Bundle, threads: number): Promise<Pipeline> {
  const { card, paths } = bundle;
  const tokenizer = await Tokenizer.load(paths.tokenizer!, card.tokens);
  const conditioner = await Conditioner.load(
    { encoder: paths.encoder!, condition: paths.condition! },
    { ...card.model, pad: card.tokens.pad },
    threads,
  );
  const lexicon = paths.lexicon === undefined ? EMPTY_LEXICON : loadLexicon(JSON.parse(await readFile(paths.lexicon, "utf8")));
  return new TextDiffusion(
    bundle,
    tokenizer,
    conditioner,
    await openSession(paths.denoiser!, threads),
    await openSession(paths.decoder!, threads),
    lexicon,
  );
}

/** Verifies and loads every bundle of a models folder. BundleError names the file that is missing or altered. */
export async function loadPipelines(options: LoadOptions): Promise<Map<Task, Pipeline>> {
  const pipelines = new Map<Task, Pipeline>();
  for (const bundle of await readBundles(options.modelsDir)) {
    pipelines.set(bundle.card.task, await load(bundle, options.threads));
  }
  return pipelines;
}
