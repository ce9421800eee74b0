import type { Given } from "./decoder.js";

/** Places of a text that are tried. */
const PLACES = 3;

/** A text of a sample that reads badly with one token blanked, added as a blank, or left out. */
export type Draft = readonly (Given | undefined)[];

/**
 * Drafts of a text whose worst places read better, perhaps, once they are filled anew: of each of these its token blanked, a blank before it, one
 * behind it, and the text without it. What edits a text by such steps is an insertion, deletion and replacement model (LevT, arXiv
 * 1905.11006); here the denoiser fills the blanks.
 * @param text its tokens, the special ones at both ends among them
 * @param doubts logit for each of them that a slip is there (acceptability.ts)
 * @param canvas tokens that a draft may have
 * @param most drafts with a blank, the most doubtful places first
 */
export function draftsOf(text: readonly Given[], doubts: ArrayLike<number>, canvas: number, most: number): Draft[] {
  const inner = [...text.keys()].slice(1, -1);
  const worst = inner.sort((i, j) => doubts[j]! - doubts[i]! || i - j).slice(0, PLACES);
  const drafts = worst.flatMap((place) => {
    const [before, token, behind] = [text.slice(0, place), text[place]!, text.slice(place + 1)];
    return [[...before, undefined, ...behind], [...before, undefined, token, ...behind], [...before, token, undefined, ...behind], [...before, ...behind]];
  });
  // Behind one doubtful place is before the next.
  const different = [...new Map(drafts.map((draft) => [draft.map((token) => token?.id ?? "").join(" "), draft])).values()].filter(({ length }) => length <= canvas);
  const blanked = different.filter(isBlanked).slice(0, most);
  return different.filter((draft) => !isBlanked(draft) || blanked.includes(draft));
}

/** There is something to fill in. */
export function isBlanked(draft: Draft): boolean {
  return draft.includes(undefined);
}
