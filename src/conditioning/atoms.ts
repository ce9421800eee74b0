/**
 * Atoms: the units BERT's basic tokenizer cuts a text into, words, single punctuation marks and single ideographs.
 * Source and generated text are compared atom by atom.
 */

/** One atom of a source text. */
export interface Atom {
  /** As written. */
  surface: string;
  /** As the tokenizer sees it: lower case, without accents. */
  key: string;
  /** True when white space (or nothing) stands before it. */
  spaced: boolean;
}

const COMBINING = /\p{Mn}/gu;
const IDEOGRAPH = "\\p{Script=Han}";
// BERT calls every ASCII symbol punctuation, other symbols (°, £, emoji) parts of words.
const PUNCTUATION = "\\p{P}$+<=>^`|~";
const ATOM = new RegExp(`[${PUNCTUATION}]|${IDEOGRAPH}|[^\\s${PUNCTUATION}${IDEOGRAPH}]+`, "gu");
const PUNCTUATION_MARK = new RegExp(`^[${PUNCTUATION}]$`, "u");
const WORD = /[\p{L}\p{N}]/u;
const INVISIBLE = /[^\P{C}\t\n\r]|\uFFFD/gu;

/** The tokenizer's normal form of a text: lower case, without accents. */
export function fold(text: string): string {
  return text.normalize("NFD").replace(COMBINING, "").toLowerCase();
}

/** True for an atom that is a word or a number, false for punctuation and symbols. */
export function isWord(atom: string): boolean {
  return WORD.test(atom);
}

/** True for an atom of digits only. */
export function isNumber(atom: string): boolean {
  return /^\d+$/.test(atom);
}

/** True for a single ideograph, which is written without spaces. */
export function isIdeograph(atom: string): boolean {
  return /^\p{Script=Han}$/u.test(atom);
}

/** True for a single punctuation mark. */
export function isPunctuation(atom: string): boolean {
  return PUNCTUATION_MARK.test(atom);
}

/** Cuts a text into atoms. Control and format characters are dropped, as the tokenizer drops them. */
export function splitAtoms(text: string): Atom[] {
  const clean = text.normalize("NFC").replace(INVISIBLE, "");
  const atoms: Atom[] = [];
  let end = -1;
  for (const match of clean.matchAll(ATOM)) {
    const surface = match[0];
    const key = fold(surface);
    if (key) atoms.push({ surface, key, spaced: match.index !== end });
    end = match.index + surface.length;
  }
  return atoms;
}
