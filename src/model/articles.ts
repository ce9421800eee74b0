import { type Bigrams, expected, has } from "./fluency.js";

/**
 * An indefinite article goes with the word behind it ("a", "an"). Its two forms mean the same, so a decoder, to which their latents are nearly one, takes the wrong one now and
 * then. Where the source has the other before this word, or running text has and never the one that was read, though chance alone would bring them together, the other is meant.
 * @param ids of a text, special tokens among them or not
 * @param source of its source; what stands there so stays
 * @param forms ids of the two
 * @returns the ids, as many as there were
 */
export function agreeing(ids: readonly number[], source: readonly number[], forms: readonly [number, number], bigrams: Bigrams): number[] {
  const stands = (first: number, second: number) => source.some((id, i) => id === first && source[i + 1] === second);
  return ids.map((id, i) => {
    const next = ids[i + 1];
    const other = id === forms[0] ? forms[1] : id === forms[1] ? forms[0] : undefined;
    if (other === undefined || next === undefined || stands(id, next)) return id;
    const never = expected(bigrams, id, next) >= 1 && !has(bigrams, id, next);
    return stands(other, next) || (never && has(bigrams, other, next)) ? other : id;
  });
}
