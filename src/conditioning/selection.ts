/**
 * Content selection for summaries, the first half of bottom-up summarisation (arXiv 1808.10792): a score of
 * each sentence, linear over features of it or a small network's (sentence-scorer.ts), says what the model is to read of a text. The features are those of training/tdi_training/selection.py,
 * in its order; word lists and weights are a file of the bundle.
 */
import { z } from "zod";

const selectorSchema = z.object({
  version: z.literal(1),
  /** Tokens that the chosen sentences may have together. */
  budget: z.number().int().positive(),
  /** Words of a sentence that may be chosen, and sentences looked at. */
  shortest: z.number().int().positive(),
  longest: z.number().int().positive(),
  most: z.number().int().positive(),
  /** Weight of each feature, in the features' order. */
  features: z.record(z.string(), z.number()),
  abbreviations: z.array(z.string()),
  common: z.array(z.string()),
  referring: z.array(z.string()),
  personal: z.array(z.string()),
});

/** A bundle's sentence selector. */
export interface Selector {
  readonly budget: number;
  readonly shortest: number;
  readonly longest: number;
  readonly most: number;
  readonly weights: readonly number[];
  readonly abbreviations: ReadonlySet<string>;
  readonly common: ReadonlySet<string>;
  readonly referring: ReadonlySet<string>;
  readonly personal: ReadonlySet<string>;
}

// One mark, not a run of them, and a look at the last few letters: time grows linearly with any text.
const BOUNDARY = /[.!?]["”’')\]]*\s+/g;
const LOOK_BACK = 16;
const WORD = /[\p{L}\p{N}]+/gu;
const LAST_WORD = /[A-Za-z.]+$/;
const INITIALS = /^(?:[a-z]\.)*[a-z]$/;
const OPENERS = /^["“‘'([]+/;
const FEATURES = 22;

/** Reads the parsed JSON of a selector file; a TypeError says what is wrong with its shape. */
export function loadSelector(json: unknown): Selector {
  const parsed = selectorSchema.safeParse(json);
  if (!parsed.success) throw new TypeError(`selector: ${parsed.error.issues.map((issue) => `${issue.path.join(".") || "(root)"}: ${issue.message}`).join("; ")}`);
  const { budget, shortest, longest, most, features, ...lists } = parsed.data;
  const weights = Object.values(features);
  if (weights.length !== FEATURES) throw new TypeError(`selector: "features" must hold ${FEATURES} weights, not ${weights.length}`);
  const { abbreviations, common, referring, personal } = lists;
  return { budget, shortest, longest, most, weights, abbreviations: new Set(abbreviations), common: new Set(common), referring: new Set(referring), personal: new Set(personal) };
}

function words(text: string): string[] {
  return text.toLowerCase().match(WORD) ?? [];
}

function isLower(letter: string): boolean {
  return /^\p{Ll}/u.test(letter);
}

/**
 * Sentences of a text, in its order. A line's end is a sentence's end too; a full stop after an abbreviation or an initial, or
 * before a small letter, is none.
 */
export function splitSentences(text: string, abbreviations: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const line of text.split("\n")) {
    let start = 0;
    for (const match of line.matchAll(BOUNDARY)) {
      const end = match.index + match[0].length;
      const last = (LAST_WORD.exec(line.slice(Math.max(start, match.index - LOOK_BACK), match.index))?.[0] ?? "").toLowerCase();
      if (isLower(line.slice(end, end + LOOK_BACK).replace(OPENERS, ""))) continue;
      if (line[match.index] === "." && (abbreviations.has(last) || INITIALS.test(last))) continue;
      found.push(line.slice(start, end).trim());
      start = end;
    }
    found.push(line.slice(start).trim());
  }
  return found.filter((sentence) => sentence !== "");
}

/** Sentences of a text that one may be chosen among. */
export interface Leading {
  /** The first of the text, as many as are looked at. */
  sentences: readonly string[];
  /** Which of them may be chosen, at least one. */
  places: readonly number[];
  /** Features of each of `places`. */
  features: readonly (readonly number[])[];
}

/**
 * What there is to choose among; undefined of a text without two sentences, or without one that may be chosen: it stays whole.
 * @param count tokens of a sentence, without special ones
 * @param limit tokens from the text's beginning beyond which no sentence is chosen
 */
export function leading(text: string, selector: Selector, count: (sentence: string) => number, limit = Infinity): Leading | undefined {
  const all = splitSentences(text, selector.abbreviations);
  if (all.length < 2) return undefined;
  const sentences = all.slice(0, selector.most);
  const read = limit === Infinity ? sentences.length : sentencesWithin(sentences, limit, count);
  const tokens = sentences.map(words);
  const content = tokens.map((list) => new Set(list.filter((word) => !selector.common.has(word))));
  const spread = new Map<string, number>();
  for (const own of content) for (const word of own) spread.set(word, (spread.get(word) ?? 0) + 1);
  const places = tokens.flatMap((list, place) => (place < read && list.length >= selector.shortest && list.length <= selector.longest ? [place] : []));
  if (places.length === 0) return undefined;
  return { sentences, places, features: places.map((place) => features(place, sentences[place]!, tokens, content, spread, selector)) };
}

/** The selector's own score of each sentence that may be chosen. */
export function linearScores({ features: rows }: Leading, selector: Selector): number[] {
  return rows.map((values) => values.reduce((sum, value, k) => sum + value * selector.weights[k]!, 0));
}

function features(
  place: number, sentence: string, tokens: readonly string[][], content: readonly Set<string>[], spread: ReadonlyMap<string, number>, selector: Selector,
): number[] {
  const own = content[place]!;
  const list = tokens[place]!;
  const n = Math.max(1, own.size);
  const written = sentence.split(/\s+/);
  const all = [...own];
  const elsewhere = all.reduce((sum, word) => sum + spread.get(word)! - 1, 0);
  const shared = (other: ReadonlySet<string> | undefined) => (other === undefined ? 0 : all.filter((word) => other.has(word)).length / n);
  const flag = (condition: boolean) => (condition ? 1 : 0);
  const end = sentence.at(-1)!;
  return [
    1 / (1 + place),
    flag(place === 0),
    place / tokens.length,
    list.length / 20,
    (list.length / 20) ** 2,
    Math.log(1 + elsewhere),
    elsewhere / n,
    all.filter((word) => spread.get(word)! > 1).length / n,
    own.size / list.length,
    written.slice(1).filter((word) => /^\p{Lu}/u.test(word)).length / written.length,
    Math.min(3, written.filter((word) => /\p{Nd}/u.test(word)).length),
    flag(/["“”]/.test(sentence)),
    flag(selector.referring.has(list[0]!)),
    flag(list.includes("said") || list.includes("says")),
    flag("?!".includes(end)),
    Math.min(3, list.filter((word) => selector.personal.has(word)).length),
    place > 0 ? shared(content[0]) : 0,
    shared(content[place + 1]),
    place > 0 ? shared(content[place - 1]) : 0,
    flag(tokens.length < 8),
    sentence.split(",").length - 1,
    flag('.!?"”'.includes(end)),
  ];
}

/**
 * The sentences that are to be read of a text: the best one first, then the next best ones while all of them have at most the selector's
 * budget of tokens.
 * @param scores of each of `places`
 */
export function choose({ sentences, places }: Leading, scores: readonly number[], selector: Selector, count: (sentence: string) => number): string[] {
  const order = places.map((place, i) => ({ place, score: scores[i]! })).sort((a, b) => b.score - a.score || a.place - b.place);
  const chosen: string[] = [];
  let used = 0;
  for (const { place } of order) {
    used += count(sentences[place]!);
    if (chosen.length > 0 && used > selector.budget) break;
    chosen.push(sentences[place]!);
  }
  return chosen;
}

/** How many sentences from the first on have at most `limit` tokens together. */
function sentencesWithin(sentences: readonly string[], limit: number, count: (sentence: string) => number): number {
  let used = 0;
  const beyond = sentences.findIndex((sentence) => (used += count(sentence)) > limit);
  return beyond < 0 ? sentences.length : beyond;
}
