import type { Bigrams } from "./fluency.js";
import { cosine } from "./similarity.js";

/** A word of the source is missed where nothing in the text is nearer to it than this cosine of their encodings: synonyms are at .65 and above, words that share a place at .3 to .5 (training/RUNS.md, nineteenth round). */
const LEAST = 0.6;
/** Nats of surprise that make a word count as one: that of "dog". "the" has 3, and "someone" 8. */
const CONTENT = 10;
/** Nats below which a word says nothing by itself. */
const EMPTY = 5;

/** Latents [tokens or more, hidden] of a text with the special tokens among them, and its ids. */
export interface Encoded {
  latents: Float32Array;
  ids: readonly number[];
}

/**
 * What a text misses of its source's words, in words: of each that it has not, how far its nearest word falls short in meaning, rare words for more than common ones. The recall of BERTScore
 * (arXiv 1904.09675), with frequencies in the place of its idf, counted only where a word is missed. A mean of encodings hardly tells a "Scooby Doo coll" from a "Scooby Doo dog coll".
 */
export function missedWords(text: Encoded, source: Encoded, hidden: number, special: ReadonlySet<number>, { counts, total }: Bigrams): number {
  const there = new Set(text.ids);
  const places = [...text.ids.keys()].filter((place) => !special.has(text.ids[place]!));
  const at = ({ latents }: Encoded, place: number) => latents.subarray(place * hidden, (place + 1) * hidden);
  let missed = 0;
  for (const [place, id] of source.ids.entries()) {
    const surprise = Math.log(total / Math.max(1, counts[id]!));
    if (special.has(id) || there.has(id) || surprise < EMPTY) continue;
    const wanted = at(source, place);
    const nearest = Math.max(0, ...places.map((other) => cosine(wanted, at(text, other))));
    missed += (Math.min(surprise, CONTENT) / CONTENT) * Math.max(0, 1 - nearest / LEAST);
  }
  return missed;
}
