import type { Placed } from "./whole-words.js";

/** What a "t" makes a negation of. */
const NEGATED = new Set("don doesn didn isn aren wasn weren can couldn wouldn shouldn won haven hasn hadn ain needn mustn".split(" "));

/**
 * Before the "t" of a negation its apostrophe, a token of its own that a sampler that writes all places at once may leave out ("don t"). Those that the source has between the same two words are back already (joints.ts).
 * @param tokens of a text between its special tokens
 * @param apostrophe its id
 * @param spell the vocabulary's spelling of each
 */
export function withApostrophes(tokens: readonly Placed[], apostrophe: number, spell: (ids: readonly number[]) => string[]): Placed[] {
  const words = spell(tokens.map(({ id }) => id));
  return tokens.flatMap((token, i) => (words[i] === "t" && NEGATED.has(words[i - 1] ?? "") ? [{ id: apostrophe, from: token.from }, token] : [token]));
}
