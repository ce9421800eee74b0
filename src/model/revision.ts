import type { Filling } from "./infiller.js";
import { CONTINUES } from "./whole-words.js";
import { hasForms } from "./word-forms.js";

/** A sample that reads by more logits worse than its source is mended, and one that reads so for a change is not changed. */
export const LEAST_SLIPS = 0.3;
/** Places of a text that are tried. */
const PLACES = 3;
/** Nats by which what is filled in counts for less where nothing was: a gap between two words seldom lacks one, and the infiller has met more blanks that do. */
const ADDED = 3;

/** A token of a text, and the confidence that it was read with. */
export interface Read {
  id: number;
  confidence: number;
}

/** A text with one token blanked, or with a blank added. */
export interface Draft {
  tokens: readonly (Read | undefined)[];
  /** Where its blank is. */
  blank: number;
  /** What stands there in the text, if anything. */
  old: Read | undefined;
}

/** A text that may read better. */
export interface Version {
  tokens: readonly Read[];
  /** By how many nats what is in its blank is likelier than what was. */
  gain: number;
}

/**
 * Drafts of a text around its worst places: of each of these its token blanked, a blank before it, and one behind it.
 * @param text its tokens, the special ones at both ends among them
 * @param doubts logit for each of them that a slip is there (acceptability.ts)
 * @param longest tokens that a draft may have
 */
export function draftsOf(text: readonly Read[], doubts: ArrayLike<number>, longest: number): Draft[] {
  const inner = [...text.keys()].slice(1, -1);
  const worst = inner.sort((i, j) => doubts[j]! - doubts[i]! || i - j).slice(0, PLACES);
  const drafts = worst.flatMap((place) => [
    { tokens: [...text.slice(0, place), undefined, ...text.slice(place + 1)], blank: place, old: text[place] },
    ...[place, place + 1].map((blank) => ({ tokens: [...text.slice(0, blank), undefined, ...text.slice(blank)], blank, old: undefined })),
  ]);
  // Behind one doubtful place is before the next.
  const different = new Map(drafts.map((draft) => [`${draft.blank} ${draft.tokens.length}`, draft]));
  return [...different.values()].filter(({ tokens }) => tokens.length <= longest);
}

/**
 * Drafts of a text, each with one of the tokens blanked that stand beside a neighbour as in the source.
 * @param text its tokens, the special ones at both ends among them
 * @param source likewise
 */
export function rewordingsOf(text: readonly Read[], source: readonly number[]): Draft[] {
  const pairs = new Set(source.slice(1).map((id, i) => `${source[i]} ${id}`));
  const stands = (place: number) => pairs.has(`${text[place]!.id} ${text[place + 1]!.id}`);
  const copied = [...text.keys()].slice(1, -1).filter((place) => stands(place - 1) || stands(place));
  return copied.map((place) => ({ tokens: [...text.slice(0, place), undefined, ...text.slice(place + 1)], blank: place, old: text[place] }));
}

/**
 * Drafts of a text, each with one of the tokens blanked that may need another form: words of one token that do not stand between the same neighbours as in the source.
 * @param text its tokens, the special ones at both ends among them
 * @param source likewise
 * @param words the vocabulary's spelling of the text's
 */
export function inflectionsOf(text: readonly Read[], source: readonly number[], words: readonly string[]): Draft[] {
  const triples = new Set(source.slice(2).map((id, i) => `${source[i]} ${source[i + 1]} ${id}`));
  const stands = (place: number) => triples.has([-1, 0, 1].map((by) => text[place + by]!.id).join(" "));
  const places = [...text.keys()].slice(1, -1).filter((place) => hasForms(words[place]!) && !words[place + 1]!.startsWith(CONTINUES) && !stands(place));
  return places.map((place) => ({ tokens: [...text.slice(0, place), undefined, ...text.slice(place + 1)], blank: place, old: text[place] }));
}

/**
 * The texts that filling the drafts' blanks makes, none of them the text itself, those that gain most first.
 * @param fillings of each draft's blank; `nothing` stands for leaving the blank out
 */
export function versionsOf(text: readonly Read[], drafts: readonly Draft[], fillings: readonly (readonly Filling[])[], nothing: number): Version[] {
  const key = (tokens: readonly Read[]) => tokens.map(({ id }) => id).join(" ");
  const found = drafts.flatMap(({ tokens, blank, old }, i) =>
    fillings[i]!.map(({ id, probability, gain }): Version => {
      const filled = id === nothing ? [] : [{ id, confidence: probability }];
      const added = Number(old === undefined && id !== nothing);
      return { tokens: [...tokens.slice(0, blank) as Read[], ...filled, ...tokens.slice(blank + 1) as Read[]], gain: gain - ADDED * added };
    }),
  );
  found.sort((a, b) => b.gain - a.gain);
  // Several drafts may be filled to one text: the way to it that gains most counts.
  const different = new Map<string, Version>();
  for (const version of found) if (!different.has(key(version.tokens))) different.set(key(version.tokens), version);
  different.delete(key(text));
  return [...different.values()];
}
