/**
 * Does a text keep what its source says, and does it say what its source does not? Counted on what can be compared without understanding
 * either: numbers, capitalised names, negations. training/tdi_training/faithfulness.py scores the same; the cases in
 * tests/fixtures/faithfulness.json hold both to it.
 */
const NUMBER = /\p{Nd}+(?:[.,:]\p{Nd}+)*/gu;
const WORD = /\p{L}+(?:['’]\p{L}+)*/gu;
const NEGATIONS = new Set("not no never nobody nothing none neither nor nowhere without cannot".split(" "));
/** What a sentence or a quotation may open after: a capital there says nothing. */
const OPENS_AFTER = new Set('.!?:\n"“‘\'(');

/** Numbers as written, without separators of thousands. */
export function numbers(text: string): Set<string> {
  return new Set((text.match(NUMBER) ?? []).map((found) => found.replaceAll(",", "")));
}

function wordsOf(text: string): Set<string> {
  return new Set((text.match(WORD) ?? []).map((word) => word.toLowerCase()));
}

/** Capitalised words of two letters or more, in lower case, but for those that open a sentence or a quotation. */
export function names(text: string): Set<string> {
  const found = new Set<string>();
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const before = text.slice(0, index).replace(/[ \t]+$/, "").at(-1);
    const first = word.slice(0, String.fromCodePoint(word.codePointAt(0)!).length);
    if (word.length > 1 && first !== first.toLowerCase() && before !== undefined && !OPENS_AFTER.has(before)) found.add(word.toLowerCase());
  }
  return found;
}

export function negated(text: string): boolean {
  return [...wordsOf(text)].some((word) => NEGATIONS.has(word) || word.replaceAll("’", "'").endsWith("n't"));
}

export interface Unfaithful {
  /** Of the source, and not of the text. */
  lost: number;
  /** Of the text, and not of the source. */
  invented: number;
}

/** Numbers and names that one of two texts has and the other has not; a negation counts as one. */
export function unfaithful(text: string, source: string): Unfaithful {
  const missing = (of: Set<string>, from: Set<string>) => [...of].filter((each) => !from.has(each)).length;
  const [mine, its] = [numbers(text), numbers(source)];
  const [negative, sourceNegative] = [negated(text), negated(source)];
  return {
    lost: missing(its, mine) + missing(names(source), wordsOf(text)) + Number(sourceNegative && !negative),
    invented: missing(mine, its) + missing(names(text), wordsOf(source)) + Number(negative && !sourceNegative),
  };
}
