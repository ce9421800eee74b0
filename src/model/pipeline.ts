import type { Condition, Conditioner } from "../conditioning/condition.js";
import type { Selector } from "../conditioning/selection.js";
import { SourceText } from "../conditioning/source.js";
import type { SentenceScorer } from "../conditioning/sentence-scorer.js";
import { chosenBy, readSources, type Source } from "../conditioning/sources.js";
import type { Tokenizer } from "../conditioning/tokenizer.js";
import type { BundleSummary, GenerateOptions, StepEvent, Task } from "../engine/contract.js";
import { DenoiserBatch, type DenoiserSessions } from "./batch.js";
import type { Bundle } from "./bundle.js";
import { rank } from "./candidates.js";
import { type Device, deviceError } from "./device.js";
import { type DiffusionPart, type DiffusionRow, isCompared } from "./diffusion-row.js";
import { gridNamed, times } from "./grid.js";
import { widths } from "./lengths.js";
import { type Lead, ledAway, noveltyOf } from "./novelty.js";
import type { PartRequest, PartResult, Pipeline } from "./pipeline-contract.js";
import type { SampleReader } from "./sample-reader.js";
import type { Reviser } from "./reviser.js";
import { noiseSchedule } from "./schedule.js";
import { type SolverStep, solverSteps } from "./solver.js";

/** What a bundle selects, encodes, denoises and reads with. */
export interface PipelineParts {
  readonly tokenizer: Tokenizer;
  readonly conditioner: Conditioner;
  readonly denoiser: DenoiserSessions;
  readonly reader: SampleReader;
  readonly reviser: Reviser;
  readonly selector: Selector | undefined;
  readonly scorer: SentenceScorer | undefined;
}

/** Steps of the generation at the start: enough for one that is clamped, where the bundle clamps, and the last. */
const WARM_UP_STEPS = 2;

/** A bundle, loaded: text in, text out. */
export class TextDiffusion implements Pipeline {
  readonly task: Task;
  readonly summary: BundleSummary;
  readonly #nulls = new Map<number, Promise<Condition>>();
  /** One for each shape that has rows under way. */
  readonly #batches = new Map<string, DenoiserBatch>();

  constructor(
    private readonly bundle: Bundle,
    private readonly parts: PipelineParts,
    private readonly device: Device,
  ) {
    const { card } = bundle;
    this.task = card.task;
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
    readSources(this.parts.tokenizer, this.parts.selector, this.bundle.card, { task: this.task, texts: [...texts], options });
  }

  async prepare(request: PartRequest): Promise<DiffusionPart> {
    const began = performance.now();
    const { card } = this.bundle;
    const { options, text } = request;
    const [read] = readSources(this.parts.tokenizer, this.parts.selector, card, { task: this.task, texts: [text], options });
    const source = await this.#select(read!);
    const { width } = source;
    const [condition] = await this.parts.conditioner.encode([source.ids], width);
    await this.#nullFor(width);
    const { plan, ...used } = this.#plan(options);
    const part: DiffusionPart = {
      request,
      source,
      index: new SourceText(text),
      condition: condition!,
      plan,
      standard: used.ranking === "quality" ? await this.parts.reader.standard(condition!, isCompared(used)) : undefined,
      used,
      conditioningMs: performance.now() - began,
      decodingMs: 0,
      rows: [],
      revisions: 0,
      estimates: new Map(),
    };
    this.#draw(part, used.ranking === "quality" ? Math.max(options.numCandidates, Math.ceil(options.bestOf / 2)) : options.bestOf, "apart");
    return part;
  }

  /** Adds rows to a text until it has so many. Returns the new ones. */
  #draw(part: DiffusionPart, until: number, lead: Lead): DiffusionRow[] {
    const { condition, plan, source } = part;
    const { steps, guidance, novelty, seed, clamp_steps: clampSteps } = part.used;
    const from = part.rows.length;
    const rows = Array.from({ length: until - from }, (_, i): DiffusionRow => ({
      part,
      candidate: from + i,
      seed,
      condition,
      plan: ledAway(plan, noveltyOf(novelty, lead, i)),
      guidance,
      clamped: [steps - clampSteps, steps - 1],
      shape: `${source.canvas}x${source.width}`,
      weight: guidance > 0 ? 2 : 1,
      steps,
      done: 0,
      revisions: 0,
      settled: new Set(),
    }));
    part.rows.push(...rows);
    return rows;
  }

  /** The other half of the samples, unless the first holds one of which no fault is known but such as can be revised, and as many candidates as are asked for. */
  more(part: DiffusionPart): readonly DiffusionRow[] {
    const { rows, used } = part;
    if (rows.length === used.best_of || used.ranking !== "quality") return [];
    const sampled = this.parts.reader.samples(rows).map(({ candidate }) => candidate);
    const appraised = this.parts.reader.appraise(part, rows, sampled);
    const ranked = rank(sampled, this.task, appraised);
    const [best] = ranked;
    const { is_copy: isCopy, finish_reason: reason } = sampled[best!.index]!;
    const { sound, readable, wrong } = appraised[best!.index]!;
    const copied = isCopy && this.task === "paraphrase";
    const enough = ranked.length >= used.num_candidates && sound && (readable || used.revisions > 0) && !copied && reason === "stop";
    if (enough) return [];
    // Where the best of them says something else, one that keeps what the source says is wanted, and if need be the source.
    return this.#draw(part, used.best_of, copied ? "further" : wrong ? "back" : "nearer");
  }

  async revise(part: DiffusionPart, told?: (event: StepEvent) => void): Promise<boolean> {
    const began = performance.now();
    const { changed, again } = await this.parts.reviser.revise(part);
    if (changed) told?.(this.parts.reader.lastEvent(changed));
    part.decodingMs += performance.now() - began;
    return again;
  }

  /** What the network chooses of a text, where the bundle has one. */
  async #select(source: Source): Promise<Source> {
    const { tokenizer, selector, scorer } = this.parts;
    if (scorer === undefined || source.leading === undefined) return source;
    return chosenBy(source, await scorer.scores(source.leading), tokenizer, selector!, this.bundle.card);
  }

  async advance(shape: string, rows: readonly DiffusionRow[], steps: number): Promise<void> {
    const batch = this.#batches.get(shape) ?? (await this.#newBatch(rows[0]!));
    this.#batches.set(shape, batch);
    batch.sync(rows);
    // Where a bundle has no graph of several steps, several calls do the same.
    const clamps = rows.some(({ clamped: [from, to], done }) => from <= to && done + steps >= from);
    if (this.parts.denoiser.loop && !clamps) return batch.advance(steps);
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
    const [decoded] = await this.parts.reader.decode([row], [batch.prediction(row)]);
    const { line } = decoded!;
    const [latents] = await this.parts.conditioner.latents([line]);
    batch.replacePrediction(row, latents!);
  }

  async read(row: DiffusionRow): Promise<StepEvent> {
    const batch = this.#batches.get(row.shape)!;
    return this.parts.reader.event(row, row.done === row.steps ? batch.state(row) : batch.prediction(row));
  }

  async collect(row: DiffusionRow): Promise<void> {
    const began = performance.now();
    const batch = this.#batches.get(row.shape)!;
    // The samples of a text mostly end in the same call: they are read in one.
    if (row.decoded === undefined) {
      const ended = [row, ...row.part.rows.filter((other) => other !== row && other.done === other.steps && other.decoded === undefined)];
      await this.parts.reader.collect(ended, ended.map((each) => batch.state(each)));
    }
    row.part.decodingMs += performance.now() - began;
  }

  finish(part: DiffusionPart, elapsedMs: number): PartResult {
    const { source, used } = part;
    const began = performance.now();
    const spelled = this.parts.reader.samples(part.rows);
    const sampled = spelled.map(({ candidate }) => candidate);
    const ranked = rank(sampled, this.task, this.parts.reader.judge(part, sampled));
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
          revisions: part.revisions,
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
   * A short generation, which every graph of a sample takes part in, and but on a CPU a step of every shape class: a shape that was not met here would make a client wait for
   * its kernels. On a CPU nothing is compiled for a shape, and no memory is reserved for one (session.ts).
   */
  async #tryAll(): Promise<void> {
    const { limits, tokens } = this.bundle.card;
    // Two, since a single sample is not ranked and the ranker's graph would not run.
    const options: GenerateOptions = { numCandidates: 1, bestOf: 2, seed: 0, truncation: "end", canvas: "auto", steps: WARM_UP_STEPS };
    const words = "This is a text that the server reads at its start, to see that every graph runs. ".repeat(3);
    const part = await this.prepare({ task: this.task, text: words, index: 0, options });
    const compiled = this.device.name === "cpu" ? [] : widths(limits.read_tokens ?? limits.source_tokens);
    for (const width of compiled) {
      const [condition] = await this.parts.conditioner.encode([Array.from({ length: width }, () => tokens.unk)], width);
      for (const canvas of limits.canvases) {
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
    const { steps = defaults.steps, guidance = defaults.guidance, novelty = defaults.novelty, solver = defaults.solver, ranking = defaults.ranking, seed } = options;
    const grid = gridNamed(options.grid ?? defaults.grid.name, defaults.grid);
    // The last step's prediction is read in any case, so it is never clamped.
    const clampSteps = Math.min(options.clampSteps ?? defaults.clamp_steps, steps - 1);
    const noise = noiseSchedule(schedule.name, schedule.d);
    const plan = solverSteps(solver, times(grid, steps, noise), noise, model.precondition);
    // What is revised is what reads badly, which only samples that are ranked by quality are looked at for. A single one is meant to be quick: it is where that is asked for.
    const { revisions: asked = options.bestOf > 1 ? defaults.revisions : 0 } = options;
    const revisions = ranking === "quality" && this.parts.reviser.able ? asked : 0;
    return { steps, guidance, novelty, revisions, solver, grid: grid.name, seed, num_candidates: options.numCandidates, best_of: options.bestOf, ranking, clamp_steps: clampSteps, plan };
  }

  async #newBatch({ shape, condition }: DiffusionRow): Promise<DenoiserBatch> {
    const canvas = Number.parseInt(shape, 10);
    return new DenoiserBatch(this.parts.denoiser, this.bundle.card.model, canvas, condition.width, await this.#nullFor(condition.width));
  }

  /** The null condition, the encoding of the empty text, padded to a width. */
  #nullFor(width: number): Promise<Condition> {
    const { cls, sep } = this.bundle.card.tokens;
    let found = this.#nulls.get(width);
    if (found === undefined) this.#nulls.set(width, (found = this.parts.conditioner.encode([[cls, sep]], width).then(([only]) => only!)));
    return found;
  }
}
