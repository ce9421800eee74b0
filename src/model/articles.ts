import { type Bigrams, expected, has } from "./fluency.js";

/** Words that begin as they are spoken: shorter ones may be letters read by name ("an mba"), and h, u, "eu", "ew" and "on" ("one") begin one way or the other. */
const SPOKEN_WITH_VOWEL = /^(?:[ai]|e(?![uw])|o(?!n))[a-z]{3}/;
const SPOKEN_WITH_CONSONANT = /^[b-df-gj-np-tv-z][a-z]{3}/;

/**
 * An indefinite article goes with the word behind it ("a", "an"). Its two forms mean the same, so a decoder, to which their latents are nearly one, takes the wrong one now and
 * then. The other is meant where the source has it before this word, where running text has it and never the one that was read, though chance alone would bring them together, and
 * where running text never has the one that was read and the word's first letters are against it.
 * @param ids of a text, special tokens among them or not
 * @param source of its source; what stands there so stays
 * @param forms ids of "a" and "an"
 * @param spell the vocabulary's spelling of each
 * @returns the ids, as many as there were
 */
export function agreeing(ids: readonly number[], source: readonly number[], forms: readonly [number, number], bigrams: Bigrams, spell: (ids: readonly number[]) => string[]): number[] {
  const stands = (first: number, second: number) => source.some((id, i) => id === first && source[i + 1] === second);
  return ids.map((id, i) => {
    const next = ids[i + 1];
    const other = id === forms[0] ? forms[1] : id === forms[1] ? forms[0] : undefined;
    if (other === undefined || next === undefined || stands(id, next)) return id;
    if (stands(other, next)) return other;
    if (has(bigrams, id, next)) return id;
    const against = id === forms[0] ? SPOKEN_WITH_VOWEL : SPOKEN_WITH_CONSONANT;
    return (expected(bigrams, id, next) >= 1 && has(bigrams, other, next)) || against.test(spell([next])[0]!) ? other : id;
  });
}
