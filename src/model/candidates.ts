import type { Candidate, Task } from "../engine/contract.js";

const WORD = /[\p{L}\p{N}]+/gu;

function words(text: string): string[] {
  return text.toLowerCase().match(WORD) ?? [];
}

/** Equal but for case, punctuation and spacing. */
export function isCopy(text: string, source: string): boolean {
  return words(text).join(" ") === words(source).join(" ");
}

/** The first `limit` words of a text; undefined when it has no more than those. */
export function cutWords(text: string, limit: number): string | undefined {
  const ends = [...text.matchAll(/\S+/g)].map((match) => match.index + match[0].length);
  return ends.length > limit ? text.slice(0, ends[limit - 1]) : undefined;
}

/** Words that must be changed, added or left out to make one list of the other (Levenshtein), given up above `limit`. */
function wordEdits(a: readonly string[], b: readonly string[], limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Share of the longer text's words in which near-duplicates may differ: one word from ten words up, none below. */
const NEAR = 0.1;

/** The same words but for case, punctuation, spacing, and at most a tenth of the words. */
export function isNearDuplicate(a: string, b: string): boolean {
  const [mine, other] = [words(a), words(b)];
  const limit = Math.floor(NEAR * Math.max(mine.length, other.length));
  return wordEdits(mine, other, limit) <= limit;
}

/** What is thought of a sample. */
export interface Judgement {
  /** Higher is better. */
  merit: number;
  /** It says something else than its source does. */
  wrong: boolean;
}

/** What a candidate is behind others for, whatever its merit: empty, wrong, a copy, cut, without an end of its own. */
function fault(c: Sampled, { wrong }: Judgement, task: Task): number {
  const copy = task === "paraphrase" && c.is_copy;
  return (c.text === "" ? 16 : 0) + (wrong ? 8 : 0) + (copy ? 4 : 0) + (c.finish_reason === "max_words" ? 2 : 0) + (c.finish_reason === "canvas" ? 1 : 0);
}

/** A candidate as it was sampled, before near-duplicates are merged. */
export type Sampled = Omit<Candidate, "count">;

/** The place of a candidate among those sampled, and how many of them it stands for. */
export interface Ranked {
  index: number;
  count: number;
}

/**
 * Places of samples, best first: what is not empty, says what its source does, is no copy (of a paraphrase's source), ended by itself and was not cut; then by merit; equals by
 * the decoder's confidence, then as they were sampled.
 */
export function ordered(samples: readonly Sampled[], task: Task, judged: readonly Judgement[]): number[] {
  return samples
    .map((_, index) => index)
    .sort((i, j) => fault(samples[i]!, judged[i]!, task) - fault(samples[j]!, judged[j]!, task) || judged[j]!.merit - judged[i]!.merit || samples[j]!.score - samples[i]!.score || i - j);
}

/** Best first, as `ordered`. Near-duplicates are merged into the best of them, copies only with copies; the counts add up to the samples. */
export function rank(samples: readonly Sampled[], task: Task, judged: readonly Judgement[]): Ranked[] {
  const kept: Ranked[] = [];
  for (const index of ordered(samples, task, judged)) {
    const sample = samples[index]!;
    const like = kept.find((other) => samples[other.index]!.is_copy === sample.is_copy && isNearDuplicate(samples[other.index]!.text, sample.text));
    if (like) like.count += 1;
    else kept.push({ index, count: 1 });
  }
  return kept;
}
