import type { Placed } from "./whole-words.js";

/** Marks that join two words, or end a short one. */
const JOINTS = new Set([".", "-", "/", "'", "\u2019", "&"]);
const WORD = /[\p{L}\p{N}]/u;

/** For two words that stand side by side but for marks, what stands between them. */
function between(ids: readonly number[], words: readonly string[]): { at: number; marks: number[]; pair: string }[] {
  const places = [...ids.keys()].filter((i) => WORD.test(words[i]!));
  return places.slice(1).map((at, i) => ({ at, marks: ids.slice(places[i]! + 1, at), pair: `${ids[places[i]!]} ${ids[at]}` }));
}

/**
 * Between two words that the source has side by side, the points, hyphens, slashes and apostrophes that it has there, and no others: a sampler that writes all places at once makes "Rs-2000" of "Rs. 2000" and
 * "push ups" of "push-ups". Where the source has the two in more than one way, or other marks stand between them in either text, nothing is changed.
 * @param tokens of a text between its special tokens
 * @param source ids likewise
 * @param spell the vocabulary's spelling of each
 */
export function withJoints(tokens: readonly Placed[], source: readonly number[], spell: (ids: readonly number[]) => string[]): Placed[] {
  const known = new Map<string, number[] | undefined>();
  for (const { pair, marks } of between(source, spell(source))) {
    const before = known.get(pair);
    known.set(pair, known.has(pair) && before?.join() !== marks.join() ? undefined : marks);
  }
  const ids = tokens.map(({ id }) => id);
  const joints = (marks: readonly number[]) => spell(marks).every((mark) => JOINTS.has(mark));
  const out = [...tokens];
  // From the end, so that places before stay what they are.
  for (const { at, marks, pair } of between(ids, spell(ids)).reverse()) {
    const wanted = known.get(pair);
    if (wanted === undefined || wanted.join() === marks.join() || !joints(wanted) || !joints(marks)) continue;
    out.splice(at - marks.length, marks.length, ...wanted.map((id) => ({ id, from: tokens[at]!.from })));
  }
  return out;
}
