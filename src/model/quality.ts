import type { Task } from "../engine/contract.js";
import { bleuTokens, meanUtility, sentenceBleu } from "./bleu.js";
import type { Judgement } from "./candidates.js";
import { unfaithful } from "./faithfulness.js";

/** What is known of a sample besides its text. */
export interface Estimates {
  text: string;
  /** Cosine of its mean encoding and the source's. */
  similarity: number;
  /** Neighbouring tokens that do not go together (fluency.ts). */
  implausible: number;
  /** Rare words of its source that it has lost (whole-words.ts), which count as names do. */
  lost: number;
  /** Words of its source that nothing in it comes near in meaning (coverage.ts). */
  missed: number;
  /** The mark at its end is its source's: what breaks off has none. */
  markAdded: boolean;
  /** What the bundle's ranker thinks of it (ranker.ts); 0 where there is none. */
  preference: number;
  /** By how many logits it reads worse than its source, the critic's share among them (sample-reader.ts); 0 where it does not, or the bundle cannot tell. */
  slips: number;
  /** Nats by which its tokens are unlikely in the mean (likelihood.ts); undefined where that is not known. */
  unlikely?: number | undefined;
}

export interface Appraisal extends Judgement {
  /** No fault is known of it, unless it reads badly. */
  sound: boolean;
  readable: boolean;
}

/**
 * Weights against the similarity, which is 1 at most: of being worded like the source, of agreeing with the other samples, of a number, name or
 * negation lost or invented, of two neighbours that do not go together, of doing nothing but leave words out. Chosen on rows 1,500 to 1,900 of QQP validation (training/RUNS.md), likeness with UNLIKELY.
 */
const LIKENESS = 0.6;
/** Of a statement at most: the model has few other words for one, and what it finds is seldom right ("She paints in mostly the evening."). */
const LIKENESS_OF_STATEMENTS = 0.2;
const AGREEMENT = 0.1;
const UNFAITHFUL = 0.1;
const IMPLAUSIBLE = 0.05;
const SHORTENED = 0.1;
/** Against another end than the source's: the ranker, taught by words alone, does not mind it. Hardly any row of QQP tells, so it is as much as the others. */
const OTHER_END = 0.1;
/** Of a nat by which the bundle's ranker prefers it. */
const PREFERENCE = 0.2;
/** Of a logit by which it reads worse than its source; chosen on the first 700 rows (tenth round). */
const SLIPS = 0.06;
/** Of a nat by which its words are unlikely in the mean (likelihood.ts). With it a text may be less like its source and read as well: both were chosen on the first 300 rows, and looked at on 700 (eighteenth round). */
const UNLIKELY = 0.4;
/** Of a word of the source that nothing in it stands for; chosen by reading what it changes of the first 500 rows (nineteenth round). Scores do not rise by it: references leave words out themselves. */
const MISSED = 0.3;
export type Weights = Readonly<Record<"likeness" | "slips" | "unlikely", number>>;
const WEIGHTS: Weights = { likeness: LIKENESS, slips: SLIPS, unlikely: UNLIKELY };
/** For versions of one sample: which of them reads best, more than which is worded least like the source. A slip makes a text less like it too. */
export const AMONG_VERSIONS: Weights = { likeness: 0.1, slips: 0.12, unlikely: 0.5 };
/** For rewordings of one: which says the same in other words. */
export const AMONG_REWORDINGS: Weights = { likeness: 1.2, slips: 0.12, unlikely: 0.5 };
/** Beyond so many it reads badly. */
const MOST_SLIPS = 1.5;
/** A statement's paraphrase with more is worse than the statement: the model knows questions best, and of what judge and critic mind in statements next to nothing is right (training/RUNS.md, fifteenth round). */
const MOST_SLIPS_OF_STATEMENTS = 0.5;
/** And nats by which its words are unlikely in the mean: those of a statement itself are by .05 to .25 ("She paints in mostly the evening." .39; eighteenth round). */
const MOST_UNLIKELY_OF_STATEMENTS = 0.35;

/** A sample further from its source in meaning is no paraphrase of it ("?" for "Thank you."). Of 2,048 outputs for questions one is, and 2 % of their references are. */
const LEAST_SIMILARITY = 0.6;

/** A mark that ends a sentence, and what may close after it. */
const ENDED = /([.?!…。？！])[\p{Pe}\p{Pf}"']*$/u;
const QUESTION_MARKS = /[?？]/g;

/** Question marks of a text. */
export const asked = (text: string) => text.match(QUESTION_MARKS)?.length ?? 0;

/** Its source ends with a mark and it does not, or it asks what the source does not. A paraphrase of a question asks too; fewer questions may be one that holds several. */
function endsOtherwise(text: string, source: string, task: Task): boolean {
  const [wanted, mark] = [source, text].map((each) => ENDED.exec(each.trimEnd())?.[1]);
  if (wanted === undefined) return false;
  return mark === undefined || asked(text) > asked(source) || (task === "paraphrase" && asked(mark) < asked(wanted));
}

/** Its source is a statement, with a mark at its end. */
function states(source: string): boolean {
  return ENDED.test(source.trimEnd()) && asked(source) === 0;
}

/** The source with words left out and none added: seldom a paraphrase, often one with a hole. */
function isShortened(tokens: readonly string[], source: readonly string[]): boolean {
  let at = 0;
  for (const token of source) if (token === tokens[at]) at += 1;
  return at === tokens.length && tokens.length < source.length;
}

/**
 * Estimated quality of each sample, without a reference (quality-aware decoding; Fernandes et al., NAACL 2022): it should mean what its source means
 * and keep its facts, in other words, read as text does, and be likely. A summary may leave things out and use its source's words. A paraphrase that loses or invents a number, a name or a
 * negation, loses a rare word, or means something else altogether is wrong, as is one of a statement that reads badly, asks, or leaves words out and does nothing else (a question with a word less is mostly
 * the same question; "Glass is made from." is nothing): the source itself is better than "What should I eat?" for "What should I not eat?".
 */
export function quality(samples: readonly Estimates[], source: string, task: Task, { likeness: unlike, slips: well, unlikely: doubtful } = WEIGHTS): Appraisal[] {
  const tokens = bleuTokens(source);
  const statement = states(source);
  const unlikeness = statement ? Math.min(unlike, LIKENESS_OF_STATEMENTS) : unlike;
  const utilities = meanUtility(samples.map(({ text }) => text));
  return samples.map(({ text, similarity, implausible, lost: terms, missed, markAdded, preference, slips, unlikely = 0 }, i) => {
    const { lost: facts, invented } = unfaithful(text, source);
    const lost = facts + terms;
    const own = bleuTokens(text);
    const paraphrasing = task === "paraphrase";
    const shortened = paraphrasing && isShortened(own, tokens);
    const otherEnd = markAdded || endsOtherwise(text, source, task);
    const faults = IMPLAUSIBLE * implausible + UNFAITHFUL * (invented + (paraphrasing ? lost : 0)) + SHORTENED * Number(shortened) + OTHER_END * Number(otherEnd) + (paraphrasing ? MISSED * missed : 0);
    const likeness = paraphrasing ? unlikeness * sentenceBleu(own, tokens) : 0;
    const merit = similarity + PREFERENCE * preference + AGREEMENT * utilities[i]! - well * slips - doubtful * unlikely - faults - likeness;
    const wrong = paraphrasing && (lost + invented > 0 || similarity < LEAST_SIMILARITY || (statement && (shortened || asked(text) > 0 || slips > MOST_SLIPS_OF_STATEMENTS || unlikely > MOST_UNLIKELY_OF_STATEMENTS)));
    return { merit, wrong, sound: invented + implausible === 0 && !wrong && !shortened && !otherEnd, readable: slips <= MOST_SLIPS };
  });
}
