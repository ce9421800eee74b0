import type { Placed } from "./whole-words.js";

/** What stands behind an apostrophe in English, and what a "t" makes a negation of. */
const ENDINGS = new Set("t s re ve ll d m".split(" "));
const NEGATED = new Set("don doesn didn isn aren wasn weren can couldn wouldn shouldn won haven hasn hadn ain needn mustn".split(" "));

/**
 * An apostrophe is a token of its own, and a sampler that writes all places at once may leave it out ("don t", "the government s"). It is put back where the source has one between these two,
 * and before the "t" of a negation.
 * @param tokens of a text between its special tokens
 * @param source ids likewise
 * @param apostrophes ids of its forms, the usual one first
 * @param spell the vocabulary's spelling of each
 */
export function withApostrophes(tokens: readonly Placed[], source: readonly number[], apostrophes: readonly number[], spell: (ids: readonly number[]) => string[]): Placed[] {
  const joined = new Map(source.flatMap((id, i): [string, number][] => (apostrophes.includes(id) ? [[`${source[i - 1]} ${source[i + 1]}`, id]] : [])));
  const words = spell(tokens.map(({ id }) => id));
  return tokens.flatMap((token, i) => {
    const before = tokens[i - 1];
    if (before === undefined || !ENDINGS.has(words[i]!)) return [token];
    const missing = joined.get(`${before.id} ${token.id}`) ?? (words[i] === "t" && NEGATED.has(words[i - 1]!) ? apostrophes[0] : undefined);
    return missing === undefined ? [token] : [{ id: missing, from: token.from }, token];
  });
}
