import type * as ort from "onnxruntime-node";
import { type Condition, Conditioner } from "../conditioning/condition.js";
import { type Lexicon, restoreFrom } from "../conditioning/restore.js";
import type { Selector } from "../conditioning/selection.js";
import { SourceText } from "../conditioning/source.js";
import { SentenceScorer } from "../conditioning/sentence-scorer.js";
import { chosenBy, readSources, type Source } from "../conditioning/sources.js";
import type { Tokenizer } from "../conditioning/tokenizer.js";
import type { BundleSummary, GenerateOptions, StepEvent, Task } from "../engine/contract.js";
import { type BatchRow, DenoiserBatch, type DenoiserSessions } from "./batch.js";
import { type Bundle, readBundles } from "./bundle.js";
import { meanUtility } from "./bleu.js";
import { cutWords, isCopy, type Judgement, rank, type Sampled } from "./candidates.js";
import { decodeRows, type Decoded } from "./decoder.js";
import { CPU, type Device, deviceError } from "./device.js";
import { type Bigrams, implausiblePairs } from "./fluency.js";
import { gridNamed, times } from "./grid.js";
import { widths } from "./lengths.js";
import type { LoadOptions, PartRequest, PartResult, Pipeline, PreparedPart, SampleRow } from "./pipeline-contract.js";
import { decoderRole, PreparedGraphs } from "./prepared.js";
import { type Appraisal, type Estimates, quality } from "./quality.js";
import { Ranker } from "./ranker.js";
import { noiseSchedule } from "./schedule.js";
import { SharedFiles } from "./shared-files.js";
import { cosine, pooled } from "./similarity.js";
import { type SolverStep, solverSteps } from "./solver.js";

/** A row of this pipeline, with what is needed to read it. */
interface DiffusionRow extends SampleRow, BatchRow {
  readonly part: DiffusionPart;
  /** The first and the last step, counted from 1, after which the prediction is clamped; none when they cross. */
  readonly clamped: readonly [from: number, to: number];
  done: number;
  decoded?: Decoded;
  /** The text of that, and its tokens. */
  spelled?: { candidate: Sampled; tokens: number };
  /** Where candidates are ranked by quality. */
  estimate?: Omit<Estimates, "text">;
}

interface DiffusionPart extends PreparedPart<DiffusionRow> {
  readonly request: PartRequest;
  readonly source: Source;
  readonly index: SourceText;
  /** What the source means (similarity.ts), where its samples are ranked by quality. */
  readonly meaning: Float32Array | undefined;
  readonly condition: Condition;
  readonly plan: readonly SolverStep[];
  readonly used: PartResult["used"];
  readonly conditioningMs: number;
  decodingMs: number;
  rows: DiffusionRow[];
  /** What was estimated of its samples, by their tokens: several often come out the same. */
  readonly estimates: Map<string, Omit<Estimates, "text">>;
}

/** Steps of the generation at the start: enough for one that is clamped, where the bundle clamps, and the last. */
const WARM_UP_STEPS = 2;

/** A bundle, loaded: text in, text out. */
class TextDiffusion implements Pipeline {
  readonly task: Task;
  readonly summary: BundleSummary;
  readonly #special: ReadonlySet<number>;
  readonly #nulls = new Map<number, Promise<Condition>>();
  /** One for each shape that has rows under way. */
  readonly #batches = new Map<string, DenoiserBatch>();

  constructor(
    private readonly bundle: Bundle,
    private readonly tokenizer: Tokenizer,
    private readonly conditioner: Conditioner,
    private readonly denoiser: DenoiserSessions,
    private readonly decoder: ort.InferenceSession,
    private readonly lexicon: Lexicon,
    private readonly bigrams: Bigrams | undefined,
    private readonly ranker: Ranker | undefined,
    private readonly selector: Selector | undefined,
    private readonly scorer: SentenceScorer | undefined,
    private readonly device: Device,
  ) {
    const { card } = bundle;
    this.task = card.task;
    this.#special = new Set(card.tokens.special);
    this.summary = {
      task: card.task,
      model: card.name,
      revision: card.revision,
      language: card.language,
      licence: card.licence,
      provider: device.name,
      precision: card.precision,
      defaults: { ...card.defaults, grid: card.defaults.grid.name },
      limits: card.limits,
      scores: card.scores,
      sha256: Object.fromEntries(Object.entries(card.files).map(([role, file]) => [role, file!.sha256])),
    };
  }

  check(texts: readonly string[], options: GenerateOptions): void {
    readSources(this.tokenizer, this.selector, this.bundle.card, { task: this.task, texts: [...texts], options });
  }

  async prepare(request: PartRequest): Promise<DiffusionPart> {
    const began = performance.now();
    const { card } = this.bundle;
    const { options, text } = request;
    const [read] = readSources(this.tokenizer, this.selector, card, { task: this.task, texts: [text], options });
    const source = await this.#select(read!);
    const { width } = source;
    const [condition] = await this.conditioner.encode([source.ids], width);
    await this.#nullFor(width);
    const { plan, ...used } = this.#plan(options);
    const part: DiffusionPart = {
      request,
      source,
      index: new SourceText(text),
      condition: condition!,
      plan,
      meaning: used.ranking === "quality" ? pooled(condition!.states, condition!.ids, card.model.hidden, this.#special) : undefined,
      used,
      conditioningMs: performance.now() - began,
      decodingMs: 0,
      rows: [],
      estimates: new Map(),
    };
    this.#draw(part, used.ranking === "quality" ? Math.max(options.numCandidates, Math.ceil(options.bestOf / 2)) : options.bestOf);
    return part;
  }

  /** Adds rows to a text until it has so many. Returns the new ones. */
  #draw(part: DiffusionPart, until: number): DiffusionRow[] {
    const { condition, plan, source } = part;
    const { steps, guidance, seed, clamp_steps: clampSteps } = part.used;
    const from = part.rows.length;
    const rows = Array.from({ length: until - from }, (_, i): DiffusionRow => ({
      part,
      candidate: from + i,
      seed,
      condition,
      plan,
      guidance,
      clamped: [steps - clampSteps, steps - 1],
      shape: `${source.canvas}x${source.width}`,
      weight: guidance > 0 ? 2 : 1,
      steps,
      done: 0,
    }));
    part.rows.push(...rows);
    return rows;
  }

  /** The other half of the samples, unless the first holds one of which no fault is known, and as many candidates as are asked for. */
  more(part: DiffusionPart): readonly DiffusionRow[] {
    const { rows, used } = part;
    if (rows.length === used.best_of) return [];
    const began = performance.now();
    const sampled = rows.map((row) => this.#candidate(row, part).candidate);
    const appraised = this.#appraise(part, sampled);
    const ranked = rank(sampled, this.task, appraised);
    const [best] = ranked;
    const { is_copy: isCopy, finish_reason: reason } = sampled[best!.index]!;
    const copied = isCopy && this.task === "paraphrase";
    const enough = ranked.length >= used.num_candidates && appraised[best!.index]!.sound && !copied && reason === "stop";
    part.decodingMs += performance.now() - began;
    return enough ? [] : this.#draw(part, used.best_of);
  }

  /** What the network chooses of a text, where the bundle has one. */
  async #select(source: Source): Promise<Source> {
    if (this.scorer === undefined || source.leading === undefined) return source;
    return chosenBy(source, await this.scorer.scores(source.leading), this.tokenizer, this.selector!, this.bundle.card);
  }

  async advance(shape: string, rows: readonly DiffusionRow[], steps: number): Promise<void> {
    const batch = this.#batches.get(shape) ?? (await this.#newBatch(rows[0]!));
    this.#batches.set(shape, batch);
    batch.sync(rows);
    // Where a bundle has no graph of several steps, several calls do the same.
    const clamps = rows.some(({ clamped: [from, to], done }) => from <= to && done + steps >= from);
    if (this.denoiser.loop && !clamps) return batch.advance(steps);
    for (let step = 0; step < steps; step += 1) {
      const moving = rows.filter((row) => row.done < row.steps);
      await batch.advance(1);
      for (const row of moving) if (row.done >= row.clamped[0] && row.done <= row.clamped[1]) await this.#clamp(batch, row);
    }
  }

  /**
   * The clamping trick of Diffusion-LM (arXiv 2205.14217) in an encoder's space: the prediction is read by the decoder and its
   * tokens are encoded again, so that the sampler goes on from a text and not from a blend of words. A row a call.
   */
  async #clamp(batch: DenoiserBatch, row: DiffusionRow): Promise<void> {
    const [decoded] = await this.#decode([row], [batch.prediction(row)]);
    const { line } = decoded!;
    batch.replacePrediction(row, await this.conditioner.latents(line));
  }

  async read(row: DiffusionRow): Promise<StepEvent> {
    const batch = this.#batches.get(row.shape)!;
    const { request, index } = row.part;
    const [decoded] = await this.#decode([row], [row.done === row.steps ? batch.state(row) : batch.prediction(row)]);
    const { ids, confidences } = decoded!;
    const spelled = this.tokenizer.spell(ids);
    return {
      index: request.index,
      candidate: row.candidate,
      step: row.done,
      steps: row.steps,
      t: row.plan[row.done - 1]!.t,
      text: restoreFrom(index, spelled, this.lexicon),
      tokens: spelled.map((text, i) => ({ text, confidence: Number(confidences[i]!.toFixed(4)) })),
    };
  }

  async collect(row: DiffusionRow): Promise<void> {
    const began = performance.now();
    const batch = this.#batches.get(row.shape)!;
    // The samples of a text mostly end in the same call: they are read in one.
    if (row.decoded === undefined) {
      const ended = [row, ...row.part.rows.filter((other) => other !== row && other.done === other.steps && other.decoded === undefined)];
      for (const [i, decoded] of (await this.#decode(ended, ended.map((each) => batch.state(each)))).entries()) ended[i]!.decoded = decoded;
    }
    if (row.part.meaning !== undefined) row.estimate = await this.#estimate(row, row.decoded!, row.part.meaning);
    row.part.decodingMs += performance.now() - began;
  }

  finish(part: DiffusionPart, elapsedMs: number): PartResult {
    const { source, used } = part;
    const began = performance.now();
    const spelled = part.rows.map((row) => this.#candidate(row, part));
    const sampled = spelled.map(({ candidate }) => candidate);
    const ranked = rank(sampled, this.task, this.#judge(part, sampled));
    const candidates = ranked.slice(0, used.num_candidates).map(({ index, count }) => ({ ...spelled[index]!.candidate, count }));
    const first = spelled[ranked[0]!.index]!;
    const decoding = part.decodingMs + performance.now() - began;
    return {
      model: this.summary.model,
      result: {
        text: candidates[0]!.text,
        candidates,
        usage: {
          source_tokens: source.ids.length,
          truncated_tokens: source.truncated,
          unselected_tokens: source.unselected,
          steps: used.steps,
          canvas: source.canvas,
          samples: part.rows.length,
          output_tokens: first.tokens,
        },
        warnings: source.warnings,
      },
      used,
      timings: { queue: 0, conditioning: part.conditioningMs, denoising: Math.max(0, elapsedMs - part.decodingMs), decoding },
    };
  }

  release(shape: string): void {
    this.#batches.delete(shape);
  }

  async warmUp(): Promise<void> {
    // What runs on the CPU and not here is the device's fault, and what to do about it is in its error.
    await this.#tryAll().catch((error: unknown) => Promise.reject(this.device.name === "cpu" ? error : deviceError(this.device, error)));
  }

  /**
   * A step of every shape class, and a short generation. On a CPU nothing is compiled for a shape, so there the smallest and the largest,
   * which reserves the memory, stand for all; elsewhere a shape that was not met here would make a client wait for its kernels.
   */
  async #tryAll(): Promise<void> {
    const { limits, tokens } = this.bundle.card;
    const options: GenerateOptions = { numCandidates: 1, bestOf: 1, seed: 0, truncation: "end", canvas: "auto", steps: WARM_UP_STEPS };
    const words = "This is a text that the server reads at its start, to see that every graph runs. ".repeat(3);
    const part = await this.prepare({ task: this.task, text: words, index: 0, options });
    const classes = <T>(sorted: T[]) => (this.device.name === "cpu" ? [...new Set([sorted[0]!, sorted.at(-1)!])] : sorted);
    for (const width of classes(widths(limits.read_tokens ?? limits.source_tokens))) {
      const [condition] = await this.conditioner.encode([Array.from({ length: width }, () => tokens.unk)], width);
      for (const canvas of classes([...limits.canvases].sort((a, b) => a - b))) {
        const row: DiffusionRow = { ...part.rows[0]!, shape: `${canvas}x${width}`, condition: condition! };
        await this.advance(row.shape, [row], 1);
        await this.collect(row);
        this.release(row.shape);
      }
    }
    for (const row of part.rows) {
      while (row.done < row.steps) await this.advance(row.shape, [row], 1);
      await this.collect(row);
      this.release(row.shape);
    }
    this.finish(part, 0);
  }

  /** What a request really uses, the bundle's defaults filled in, and the solver's steps that follow from it. */
  #plan(options: GenerateOptions): PartResult["used"] & { plan: SolverStep[] } {
    const { defaults, schedule, model } = this.bundle.card;
    const { steps = defaults.steps, guidance = defaults.guidance, solver = defaults.solver, ranking = defaults.ranking, seed } = options;
    const grid = gridNamed(options.grid ?? defaults.grid.name, defaults.grid);
    // The last step's prediction is read in any case, so it is never clamped.
    const clampSteps = Math.min(options.clampSteps ?? defaults.clamp_steps, steps - 1);
    const noise = noiseSchedule(schedule.name, schedule.d);
    const plan = solverSteps(solver, times(grid, steps, noise), noise, model.precondition);
    return { steps, guidance, solver, grid: grid.name, seed, num_candidates: options.numCandidates, best_of: options.bestOf, ranking, clamp_steps: clampSteps, plan };
  }

  async #newBatch({ shape, condition }: DiffusionRow): Promise<DenoiserBatch> {
    const canvas = Number.parseInt(shape, 10);
    return new DenoiserBatch(this.denoiser, this.bundle.card.model, canvas, condition.width, await this.#nullFor(condition.width));
  }

  /** Latents of rows of one text. */
  #decode(rows: readonly DiffusionRow[], latents: readonly Float32Array[]): Promise<Decoded[]> {
    const { model, tokens } = this.bundle.card;
    const canvas = latents[0]!.length / model.hidden;
    return decodeRows(this.decoder, latents, rows.map(({ condition }) => condition), canvas, model.hidden, { ...tokens, marks: this.tokenizer.marks });
  }

  /** What the quality of a row is told by. Its words are encoded anew: it is they that will be seen, not the latents that they were read from. */
  async #estimate({ part, condition }: DiffusionRow, { line, ids, ended }: Decoded, meaning: Float32Array): Promise<Omit<Estimates, "text">> {
    const { model, tokens } = this.bundle.card;
    const key = line.join(" ");
    const known = part.estimates.get(key);
    if (known) return known;
    const latents = await this.conditioner.latents(line);
    const written = line.filter((id) => id !== tokens.pad).length;
    const estimate = {
      similarity: cosine(meaning, pooled(latents, line, model.hidden, this.#special)),
      implausible: this.bigrams === undefined ? 0 : implausiblePairs(this.bigrams, [tokens.cls, ...ids, ...(ended ? [tokens.sep] : [])], condition.ids),
      preference: (await this.ranker?.score(latents.subarray(0, written * model.hidden), condition.states.subarray(0, condition.ids.length * model.hidden))) ?? 0,
    };
    part.estimates.set(key, estimate);
    return estimate;
  }

  #judge(part: DiffusionPart, candidates: readonly Sampled[]): Judgement[] {
    const { used } = part;
    if (used.ranking === "confidence") return candidates.map(({ score }) => ({ merit: score, wrong: false }));
    if (used.ranking === "mbr") return meanUtility(candidates.map(({ text }) => text)).map((merit) => ({ merit, wrong: false }));
    return this.#appraise(part, candidates);
  }

  #appraise({ rows, source }: DiffusionPart, candidates: readonly Sampled[]): Appraisal[] {
    return quality(candidates.map(({ text }, i) => ({ text, ...rows[i]!.estimate! })), source.text, this.task);
  }

  /** A row's sample, spelled once: it is looked at after each half, and at the end. */
  #candidate(row: DiffusionRow, part: DiffusionPart): { candidate: Sampled; tokens: number } {
    return (row.spelled ??= this.#spell(row, part));
  }

  #spell({ decoded, estimate }: DiffusionRow, { source, index, request }: DiffusionPart): { candidate: Sampled; tokens: number } {
    const { maxWords } = request.options;
    const { ids, score, ended } = decoded!;
    const text = restoreFrom(index, this.tokenizer.spell(ids), this.lexicon);
    const cut = maxWords === undefined ? undefined : cutWords(text, maxWords);
    const candidate: Sampled = {
      text: cut ?? text,
      score: Number(score.toFixed(4)),
      is_copy: isCopy(cut ?? text, source.text),
      finish_reason: cut !== undefined ? "max_words" : ended ? "stop" : "canvas",
      ...(estimate && { similarity: Number(estimate.similarity.toFixed(4)) }),
    };
    return { candidate, tokens: ids.length };
  }

  /** The null condition, the encoding of the empty text, padded to a width. */
  #nullFor(width: number): Promise<Condition> {
    const { cls, sep } = this.bundle.card.tokens;
    let found = this.#nulls.get(width);
    if (found === undefined) this.#nulls.set(width, (found = this.conditioner.encode([[cls, sep]], width).then(([only]) => only!)));
    return found;
  }
}

/**
 * Loads one verified bundle.
 * @param files of the process; what another bundle has opened is not opened again
 * @throws DeviceError
 */
async function loadFrom(files: SharedFiles, bundle: Bundle, device: Device): Promise<Pipeline> {
  const { card, paths } = bundle;
  const tokenizer = await files.tokenizer(paths.tokenizer!, card.tokens);
  const [encoder, condition] = [await files.session(bundle, "encoder"), await files.session(bundle, "condition")];
  const denoiser: DenoiserSessions = { step: await files.session(bundle, "denoiser") };
  if (paths.denoiser_loop !== undefined) denoiser.loop = await files.session(bundle, "denoiser_loop");
  const conditioner = new Conditioner(encoder, condition, { hidden: card.model.hidden, pad: card.tokens.pad });
  const shape = { hidden: card.model.hidden, sep: card.tokens.sep, special: new Set(card.tokens.special) };
  const scorer = paths.sentence_scorer === undefined ? undefined : new SentenceScorer(await files.session(bundle, "sentence_scorer"), conditioner, tokenizer, shape);
  const ranker = paths.ranker === undefined ? undefined : new Ranker(await files.session(bundle, "ranker"), card.model.hidden);
  return new TextDiffusion(bundle, tokenizer, conditioner, denoiser, await files.session(bundle, decoderRole(card)), await files.lexicon(paths.lexicon), await files.bigrams(paths.bigrams), ranker, await files.selector(paths.selector), scorer, device);
}

/**
 * Loads one verified bundle by itself.
 * @param threads onnxruntime intra-op threads per session
 * @param cacheDir folder of prepared graphs; none are used when absent
 */
export function load(bundle: Bundle, threads: number, cacheDir?: string): Promise<Pipeline> {
  return loadFrom(new SharedFiles(threads, CPU, preparedIn(cacheDir)), bundle, CPU);
}

function preparedIn(cacheDir: string | undefined): PreparedGraphs | undefined {
  return cacheDir === undefined ? undefined : new PreparedGraphs(cacheDir);
}

/** Verifies and loads every bundle of a models folder. BundleError names the file that is missing or altered. @throws DeviceError */
export async function loadPipelines({ modelsDir, threads, device = CPU, cacheDir }: LoadOptions): Promise<Map<Task, Pipeline>> {
  const files = new SharedFiles(threads, device, preparedIn(cacheDir));
  const pipelines = new Map<Task, Pipeline>();
  for (const bundle of await readBundles(modelsDir)) pipelines.set(bundle.card.task, await loadFrom(files, bundle, device));
  return pipelines;
}
