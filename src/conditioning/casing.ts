import { isNumber } from "./atoms.js";
import type { Lexicon } from "./lexicon.js";
import type { Standing } from "./sentences.js";
import { isPlainCapital, isShouted, type SourceText } from "./source.js";

const LETTER = /^\p{L}$/u;
const LOWER_INITIALS = new Set(["a m", "p m", "e g", "i e"]);

/** A letter followed by a full stop and a further word: an initial ("j. smith", "u.s."), but not that of "a.m." */
function isInitial(keys: readonly string[], i: number): boolean {
  const [key = "", next = ""] = [keys[i], keys[i + 2]];
  if (!LETTER.test(key) || keys[i + 1] !== ".") return false;
  if (keys[i - 1] === "." && LOWER_INITIALS.has(`${keys[i - 2]} ${key}`)) return false;
  return /^\p{L}/u.test(next) && !LOWER_INITIALS.has(`${key} ${next}`);
}

/** How the lexicon writes atom `i`, by its neighbours where these matter; undefined for a word it does not know. */
export function lexiconForm(keys: readonly string[], i: number, lexicon: Lexicon): string | undefined {
  const name = (k: number) => (isNumber(keys[k] ?? "") ? "0" : (keys[k] ?? ""));
  const key = keys[i] ?? "";
  const alone = lexicon.forms.get(key) ?? (lexicon.lower.has(key) ? key : undefined);
  const left = lexicon.pairs.get(`${name(i - 1)} ${name(i)}`)?.[1];
  const right = lexicon.pairs.get(`${name(i)} ${name(i + 1)}`)?.[0];
  // A pair is listed for the side it changes: the one that differs from the word alone speaks.
  return [left, right].find((form) => form !== undefined && form !== (alone ?? key)) ?? alone ?? left ?? right;
}

/** Upper-cases the first letter of a word. */
export function capitalise(word: string): string {
  const first = String.fromCodePoint(word.codePointAt(0) ?? 0x20);
  return word === "" ? "" : first.toUpperCase() + word.slice(first.length);
}

/** Atom `i` as written in mid-sentence: as in the source where that is a witness, else the lexicon, else lower case. */
export function caseAtom(keys: readonly string[], i: number, source: SourceText, lexicon: Lexicon): string {
  const key = keys[i] ?? "";
  if (isNumber(key)) return key;
  if (key === "i" && keys[i + 1] !== ".") return "I";
  if (isInitial(keys, i)) return key.toUpperCase();
  const known = lexiconForm(keys, i, lexicon);
  const seen = source.form(keys, i);
  if (seen === undefined) return known ?? key;
  // The capital of an opener says nothing, its accents do.
  if (seen.evidence === "opener") return known !== undefined && known !== key ? known : seen.surface.toLowerCase();
  if (known === undefined) return seen.surface;
  // People leave capitals out more often than they add any: "india" in a question is no reason to write it so. Editors do neither.
  if (seen.surface === key) return source.edited ? key : known;
  // A capital or shouting on an ordinary word, away from the words it stood with, is emphasis or part of another name.
  const stray = seen.evidence === "word" && known === key && isPlainCapital(seen.surface);
  return stray || (seen.surface.length > 3 && isShouted(seen.surface)) ? known : seen.surface;
}

/** Raises a word that opens a sentence, unless it has capitals of its own ("iPhone"). */
export function raise(form: string, standing: Standing): string {
  if (standing !== "start" || form !== form.toLowerCase()) return form;
  // The pronoun hardly ever opens a sentence, the country does.
  return form === "us" ? "US" : capitalise(form);
}
