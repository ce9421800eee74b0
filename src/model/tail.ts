/**
 * Place of a line's end: of its first end token or, where there is none, of the padding after its last word; -1 when words fill the line.
 */
export function endOf(line: readonly number[], { sep, pad, special }: { sep: number; pad: number; special: ReadonlySet<number> }): number {
  const end = line.indexOf(sep);
  if (end >= 0) return end;
  const after = line.findLastIndex((id) => !special.has(id)) + 1;
  return line[after] === pad ? after : -1;
}

/** Most words' tokens of a stray end. */
const LONGEST = 2;

/**
 * Positions of a line of token ids that are kept: all but one or two tokens, padding among them or not, between the last mark that ends a sentence and the end of the
 * text. Where the model is in doubt by a place or two where a text ends, those places blend the end token, padding and words, and
 * read as some word or other. What follows the mark in the source too stays ("node.js", "U.S. Army").
 * @param kept positions in order, none of them the end token's
 * @param marks ids of the marks that end a sentence
 */
export function withoutStrayEnd(
  kept: readonly number[], line: readonly number[], source: readonly number[], marks: ReadonlySet<number>, special: ReadonlySet<number>,
): number[] {
  const last = kept.findLastIndex((place) => marks.has(line[place]!));
  const stray = kept.slice(last + 1).map((place) => line[place]!).filter((id) => !special.has(id));
  if (last < 1 || stray.length === 0 || stray.length > LONGEST) return [...kept];
  const [mark, next] = [line[kept[last]!]!, stray[0]!];
  const written = source.some((id, i) => id === mark && source[i + 1] === next);
  return written ? [...kept] : kept.slice(0, last + 1);
}

/**
 * The mark that a text lacks at its end and its source has there.
 * @param text ids between its special tokens
 * @param source likewise
 * @param marks ids of the marks that end a sentence
 * @param isWord true of a token that is a word or a part of one: behind a quotation mark or a bracket there may be a mark already
 */
export function lackingMark(text: readonly number[], source: readonly number[], marks: ReadonlySet<number>, isWord: (id: number) => boolean): number | undefined {
  const [last, mark] = [text.at(-1), source.at(-1)];
  return last !== undefined && mark !== undefined && marks.has(mark) && isWord(last) ? mark : undefined;
}
