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

/**
 * Best first: what is no copy (of a paraphrase's source), is not empty, ended by itself and was not cut, then the
 * decoder's confidence; equals keep the order in which they were sampled.
 */
export function rank(candidates: readonly Candidate[], task: Task): Candidate[] {
  const fault = (c: Candidate) =>
    (c.text === "" ? 8 : 0) + (task === "paraphrase" && c.is_copy ? 4 : 0) + (c.finish_reason === "max_words" ? 2 : 0) + (c.finish_reason === "canvas" ? 1 : 0);
  return [...candidates].sort((a, b) => fault(a) - fault(b) || b.score - a.score);
}
