import type * as ort from "onnxruntime-node";
import type { Condition, Conditioner } from "../conditioning/condition.js";
import { type Lexicon, restoreFrom } from "../conditioning/restore.js";
import type { Tokenizer } from "../conditioning/tokenizer.js";
import type { StepEvent } from "../engine/contract.js";
import type { Acceptability, Reading } from "./acceptability.js";
import { withApostrophes } from "./apostrophes.js";
import { agreeing } from "./articles.js";
import { meanUtility } from "./bleu.js";
import type { BundleCard } from "./bundle.js";
import { cutWords, isCopy, type Judgement, type Sampled } from "./candidates.js";
import type { Critic } from "./critic.js";
import { missedWords } from "./coverage.js";
import { decodeRows, type Decoded, rewritten } from "./decoder.js";
import { type DiffusionPart, type DiffusionRow, type Estimate, isCompared, type SpelledSample, type Standard } from "./diffusion-row.js";
import { type Bigrams, implausiblePairs } from "./fluency.js";
import { type Appraisal, quality, type Weights } from "./quality.js";
import { withJoints } from "./joints.js";
import type { Likelihood } from "./likelihood.js";
import type { Ranker } from "./ranker.js";
import { withoutRepeats } from "./repeats.js";
import type { Read } from "./revision.js";
import { cosine, pooled } from "./similarity.js";
import { lackingMark } from "./tail.js";
import { lostTerms, type Whole, wholeWords } from "./whole-words.js";

/** What a bundle reads its samples with. */
export interface ReadingParts {
  readonly tokenizer: Tokenizer;
  readonly conditioner: Conditioner;
  readonly decoder: ort.InferenceSession;
  readonly lexicon: Lexicon;
  readonly bigrams: Bigrams | undefined;
  /** Words of several pieces that there are (whole-words.ts). */
  readonly words: ReadonlySet<string> | undefined;
  readonly ranker: Ranker | undefined;
  readonly acceptability: Acceptability | undefined;
  readonly critic: Critic | undefined;
  readonly likelihood: Likelihood | undefined;
}

const WORD = /[\p{L}\p{N}]$/u;

/** Of a logit by which the critic puts a sample below its source, against one of the judge's; and how many it may: a source as its own rewording it finds faultless. Chosen on the first 700 rows (fourteenth round). */
const CRITICISM = 0.5;
const FAULTLESS = 0.5;

/** Makes texts of denoised latents, and tells how good they are. */
export class SampleReader {
  readonly #special: ReadonlySet<number>;

  constructor(
    private readonly card: BundleCard,
    private readonly parts: ReadingParts,
  ) {
    this.#special = new Set(card.tokens.special);
  }

  /** Reads latents [canvas, hidden] of rows of one text, in one call. */
  async decode(rows: readonly DiffusionRow[], latents: readonly Float32Array[]): Promise<Decoded[]> {
    const { model, tokens } = this.card;
    const canvas = latents[0]!.length / model.hidden;
    const wanted = { ...tokens, marks: this.parts.tokenizer.marks };
    const decoded = await decodeRows(this.parts.decoder, latents, rows.map(({ condition }) => condition), canvas, model.hidden, wanted);
    return decoded.map((each, i) => this.#whole(each, rows[i]!.condition));
  }

  /** A text as it was read, its words whole where they fit on its canvas so, and with its source's end mark where it has none. */
  #whole(decoded: Decoded, condition: Condition): Decoded {
    const read = decoded.ids.map((id, i) => ({ id, confidence: decoded.confidences[i]! }));
    const words = this.whole(read, condition);
    const { tokenizer } = this.parts;
    const mark = decoded.ended ? lackingMark(words.map(({ id }) => id), condition.ids.slice(1, -1), tokenizer.marks, (id) => WORD.test(tokenizer.spell([id])[0]!)) : undefined;
    const marked = mark === undefined ? undefined : rewritten({ ...decoded, markAdded: true }, [...words, { id: mark, confidence: decoded.score }], decoded.line.length, this.card.tokens);
    if (marked !== undefined) return marked;
    if (words.length === read.length && words.every(({ id }, i) => id === read[i]!.id)) return decoded;
    return rewritten(decoded, words, decoded.line.length, this.card.tokens) ?? decoded;
  }

  /** Tokens between a text's special ones with its words whole (whole-words.ts), none of them said twice for that, what joins its words as in its source (joints.ts), the apostrophes of its negations (apostrophes.ts), and its articles as they go with them (articles.ts). */
  whole(text: readonly Read[], { ids: source }: Condition): Read[] {
    const { bigrams, tokenizer } = this.parts;
    const { tokens: words } = this.#words(text.map(({ id }) => id), source);
    const spell = (ids: readonly number[]) => tokenizer.spell(ids);
    const joined = withJoints(words, source.slice(1, -1), spell);
    const tokens = tokenizer.apostrophe === undefined ? joined : withApostrophes(joined, tokenizer.apostrophe, spell);
    const kept = withoutRepeats(tokens.map(({ id }) => id), source, this.#special).map((i) => tokens[i]!);
    const ids = kept.map(({ id }) => id);
    const right = bigrams === undefined || tokenizer.articles === undefined ? ids : agreeing(ids, source, tokenizer.articles, bigrams, spell);
    return kept.map(({ from }, i) => ({ id: right[i]!, confidence: from.reduce((sum, place) => sum + text[place]!.confidence, 0) / from.length }));
  }

  /** The vocabulary's spelling of tokens. */
  spell(ids: readonly number[]): string[] {
    return this.parts.tokenizer.spell(ids);
  }

  /** How many words of a text there are not (whole-words.ts). */
  strangeWords(ids: readonly number[], source: readonly number[]): number {
    return this.#words(ids, source).strange;
  }

  #words(ids: readonly number[], source: readonly number[]): Whole {
    const { words, tokenizer } = this.parts;
    return words === undefined ? { tokens: ids.map((id, i) => ({ id, from: [i] })), strange: 0, broken: 0 } : wholeWords(ids, source.slice(1, -1), (each) => tokenizer.spell(each), words);
  }

  /** What a row reads as after a step. */
  async event(row: DiffusionRow, latents: Float32Array): Promise<StepEvent> {
    const [decoded] = await this.decode([row], [latents]);
    return this.#eventOf(row, decoded!);
  }

  /** What a row whose steps are done reads as, a revised one too. */
  lastEvent(row: DiffusionRow): StepEvent {
    return this.#eventOf(row, row.decoded!);
  }

  #eventOf(row: DiffusionRow, { ids, confidences }: Decoded): StepEvent {
    const { request, index } = row.part;
    const spelled = this.parts.tokenizer.spell(ids);
    return {
      index: request.index,
      candidate: row.candidate,
      step: row.done,
      steps: row.steps,
      t: row.plan[row.done - 1]!.t,
      text: restoreFrom(index, spelled, this.parts.lexicon),
      tokens: spelled.map((text, i) => ({ text, confidence: Number(confidences[i]!.toFixed(4)) })),
    };
  }

  /** What the samples of a source are held to. */
  async standard({ states, ids }: Condition, compared: boolean): Promise<Standard> {
    const { hidden } = this.card.model;
    const meaning = pooled(states, ids, hidden, this.#special);
    if (!compared) return { meaning, reads: 0, fits: 0 };
    const source = states.subarray(0, ids.length * hidden);
    return { meaning, reads: (await this.#reads(source)).score, fits: (await this.parts.critic?.read(source, source))?.score ?? 0 };
  }

  /** True where it can tell the places of a sample that read badly. */
  get tellsPlaces(): boolean {
    return this.parts.acceptability?.tellsPlaces === true;
  }

  async #reads(latents: Float32Array): Promise<Reading> {
    return (await this.parts.acceptability?.read(latents)) ?? { score: 0, doubts: undefined };
  }

  /** Decodes rows of one text whose steps are all done, and estimates them where they are ranked by quality. */
  async collect(rows: readonly DiffusionRow[], latents: readonly Float32Array[]): Promise<void> {
    const decoded = await this.decode(rows, latents);
    for (const [i, row] of rows.entries()) row.decoded = decoded[i]!;
    await this.estimate(rows);
    await this.weigh(rows);
  }

  /** Tells what the quality of rows of one text is known by, where they are ranked by it. Their words are encoded anew, equal ones once: it is they that will be seen, not the latents that they were read from. */
  async estimate(rows: readonly DiffusionRow[]): Promise<void> {
    const { estimates, standard } = rows[0]!.part;
    if (standard === undefined) return;
    const key = ({ decoded }: DiffusionRow) => decoded!.line.join(" ");
    const fresh = [...new Map(rows.map((row) => [key(row), row])).values()].filter((row) => !estimates.has(key(row)));
    if (fresh.length > 0) {
      const latents = await this.parts.conditioner.latents(fresh.map(({ decoded }) => decoded!.line));
      for (const [i, row] of fresh.entries()) estimates.set(key(row), await this.#told(row, latents[i]!, standard));
    }
    for (const row of rows) row.estimate = estimates.get(key(row))!;
  }

  /** Adds to the estimates of rows of one text how unlikely their words are, where samples are compared and it is not known yet. */
  async weigh(rows: readonly DiffusionRow[]): Promise<void> {
    const { likelihood } = this.parts;
    const open = [...new Set(rows.map(({ estimate }) => estimate))].filter((estimate) => estimate !== undefined && estimate.unlikely === undefined);
    if (likelihood === undefined || open.length === 0 || !isCompared(rows[0]!.part.used)) return;
    const texts = open.map((estimate) => rows.find((row) => row.estimate === estimate)!.decoded!.ids);
    const unlikely = await likelihood.unlikely(texts, rows[0]!.condition);
    open.forEach((estimate, i) => (estimate!.unlikely = unlikely[i]));
  }

  async #told({ part, condition, decoded }: DiffusionRow, latents: Float32Array, standard: Standard): Promise<Estimate> {
    const { model, tokens } = this.card;
    const { bigrams, ranker } = this.parts;
    const { line, ids, ended } = decoded!;
    const written = latents.subarray(0, line.filter((id) => id !== tokens.pad).length * model.hidden);
    const source = condition.states.subarray(0, condition.ids.length * model.hidden);
    const compared = isCompared(part.used);
    return {
      similarity: cosine(standard.meaning, pooled(latents, line, model.hidden, this.#special)),
      implausible: (bigrams === undefined ? 0 : implausiblePairs(bigrams, [tokens.cls, ...ids, ...(ended ? [tokens.sep] : [])], condition.ids)) + this.#words(ids, condition.ids).broken,
      markAdded: decoded!.markAdded === true,
      lost: lostTerms(ids, condition.ids.slice(1, -1), (each) => this.parts.tokenizer.spell(each)),
      missed: !compared || bigrams === undefined ? 0 : missedWords({ latents: written, ids: line.slice(0, written.length / model.hidden) }, { latents: source, ids: condition.ids }, model.hidden, this.#special, bigrams),
      // Only differences between samples of one source mean anything.
      preference: !compared || ranker === undefined ? 0 : await ranker.score(written, source),
      ...(compared ? await this.#slips(written, source, standard) : { slips: 0, doubts: undefined, criticism: undefined }),
    };
  }

  /** By how many logits a text reads worse than its source, by the judge and the critic, and where. */
  async #slips(written: Float32Array, source: Float32Array, { reads, fits }: Standard): Promise<Pick<Estimate, "slips" | "doubts" | "criticism">> {
    const { score, doubts } = await this.#reads(written);
    const slips = Math.max(0, reads - score);
    const criticism = await this.parts.critic?.read(written, source);
    if (criticism === undefined) return { slips, doubts, criticism };
    return {
      criticism,
      slips: slips + CRITICISM * Math.max(0, fits - criticism.score - FAULTLESS),
      doubts: doubts?.map((doubt, i) => doubt + criticism.doubts[i]!),
    };
  }

  /** Samples of a text, each spelled once: they are looked at after each half, and at the end. */
  samples(rows: readonly DiffusionRow[]): SpelledSample[] {
    return rows.map((row) => (row.spelled ??= this.#spell(row)));
  }

  /** What is thought of the samples of a text, by the ranking that it uses. */
  judge(part: DiffusionPart, samples: readonly Sampled[]): Judgement[] {
    const { ranking } = part.used;
    if (ranking === "confidence") return samples.map(({ score }) => ({ merit: score, wrong: false }));
    if (ranking === "mbr") return meanUtility(samples.map(({ text }) => text)).map((merit) => ({ merit, wrong: false }));
    return this.appraise(part, part.rows, samples);
  }

  /** Estimated quality of rows of a text (quality.ts), where they are ranked by it. */
  appraise({ source }: DiffusionPart, rows: readonly DiffusionRow[], samples: readonly Sampled[], weights?: Weights): Appraisal[] {
    return quality(samples.map(({ text }, i) => ({ text, ...rows[i]!.estimate! })), source.text, this.card.task, weights);
  }

  #spell({ part: { source, index, request }, decoded, estimate }: DiffusionRow): SpelledSample {
    const { maxWords } = request.options;
    const { ids, score, ended } = decoded!;
    const text = restoreFrom(index, this.parts.tokenizer.spell(ids), this.parts.lexicon);
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
}
