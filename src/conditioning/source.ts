import { type Atom, isNumber, isPunctuation, splitAtoms } from "./atoms.js";
import { standings } from "./sentences.js";

/** What a source text tells of one word. */
export interface SourceForm {
  surface: string;
  /** "context": seen with the same neighbour; "word": seen in mid-sentence; "opener": only where any word is raised. */
  evidence: "context" | "word" | "opener";
}

/** A text of so many atoms, so many of them capitalised in mid-sentence, has been edited. */
const EDITED_ATOMS = 40;
const EDITED_CAPITALS = 3;
/** Who begins with a capital and ends with a full stop, or raises two names on the way, writes with care too. A question's mark tells less: "Will india win?" has one as well. */
const CAREFUL_CAPITALS = 2;
const RAISED_START = /^\P{L}*\p{Lu}/u;
const FULL_STOP = /[.!][\p{Pe}\p{Pf}"']?$/u;

const CLINGING = new Set([...".,?!;:)]}%"]);
const ENDING = new Set([..."?!;"]);
const UPPER = /\p{Lu}/u;
const LOWER = /\p{Ll}/u;

/** A capital and then nothing but lower case: the one shape that a sentence's start gives to any word. */
export function isPlainCapital(surface: string): boolean {
  const [first = "", ...rest] = surface;
  return UPPER.test(first) && !UPPER.test(rest.join(""));
}

/** All capitals, two letters or more. */
export function isShouted(surface: string): boolean {
  return surface.length > 1 && UPPER.test(surface) && !LOWER.test(surface);
}

/** Counts of surface forms under a key. */
class Counter {
  private readonly counts = new Map<string, Map<string, number>>();

  add(key: string, form: string): void {
    const forms = this.counts.get(key) ?? new Map<string, number>();
    if (forms.size === 0) this.counts.set(key, forms);
    forms.set(form, (forms.get(form) ?? 0) + 1);
  }

  /** The most frequent form, the earliest among equals. */
  best(key: string): string | undefined {
    let best: string | undefined;
    let most = 0;
    for (const [form, count] of this.counts.get(key) ?? []) {
      if (count > most) [best, most] = [form, count];
    }
    return best;
  }
}

/** Casing and spacing found in one source text, indexed for look-up by folded atoms. */
export class SourceText {
  private readonly words = new Counter();
  private readonly contexts = new Counter();
  private readonly openers = new Counter();
  private readonly gaps = new Map<string, boolean | undefined>();
  /** True for a text that has been written with care, as a news text is: a word in lower case is so on purpose there. */
  readonly edited: boolean;

  constructor(text: string) {
    const atoms = splitAtoms(text);
    const keys = atoms.map((atom) => atom.key);
    const standing = standings(keys, atoms.map((atom) => atom.spaced));
    const casing = casingOf(atoms);
    const raised = atoms.filter(({ surface }, i) => surface.length > 1 && isPlainCapital(surface) && standing[i] === "inside").length;
    const careful = RAISED_START.test(text) && (raised >= CAREFUL_CAPITALS || FULL_STOP.test(text.trimEnd().slice(-2)));
    this.edited = casing === "mixed" && (careful || (atoms.length >= EDITED_ATOMS && raised >= EDITED_CAPITALS));
    atoms.forEach(({ surface, key }, i) => {
      this.addGaps(atoms, i);
      // Capitals throughout tell nothing of any word, but their accents stand.
      if (casing === "shouted") this.openers.add(key, surface.toLowerCase());
      else if (isPlainCapital(surface) && standing[i] !== "inside") {
        this.openers.add(key, surface);
        // Behind the same quotation mark it is as well raised again.
        if (standing[i] === "opening") this.contexts.add(`${keys[i - 1] ?? ""} ${key}`, surface);
      } else {
        this.words.add(key, surface);
        // In a headline a word is raised in any company.
        if (casing === "headline") return;
        this.contexts.add(`${keys[i - 1] ?? ""} ${key}`, surface);
        this.contexts.add(`${key} ${keys[i + 1] ?? ""} `, surface);
      }
    });
  }

  private addGaps(atoms: readonly Atom[], i: number): void {
    const [before2, before, atom] = [atoms[i - 2], atoms[i - 1], atoms[i]];
    if (!before || !atom) return;
    for (const name of [`${before.key} ${atom.key}`, `${before2?.key ?? ""} ${before.key} ${atom.key}`]) {
      // Written both ways: no witness.
      this.gaps.set(name, this.gaps.has(name) && this.gaps.get(name) !== atom.spaced ? undefined : atom.spaced);
    }
  }

  /** How atom `i` is written in the source, if it occurs there. */
  form(keys: readonly string[], i: number): SourceForm | undefined {
    const key = keys[i] ?? "";
    const [before, after] = [`${keys[i - 1] ?? ""} ${key}`, `${key} ${keys[i + 1] ?? ""} `];
    const context = this.contexts.best(before) ?? this.contexts.best(after);
    if (context !== undefined) return { surface: context, evidence: "context" };
    const word = this.words.best(key);
    if (word !== undefined) return { surface: word, evidence: "word" };
    const opener = this.openers.best(key);
    return opener === undefined ? undefined : { surface: opener, evidence: "opener" };
  }

  /** Whether the source has a space before atom `i` in the same surroundings; undefined where it cannot tell. */
  spaceBefore(keys: readonly string[], i: number): boolean | undefined {
    const [before2, before, atom] = [keys[i - 2] ?? "", keys[i - 1] ?? "", keys[i] ?? ""];
    if (!isPunctuation(before) && !isPunctuation(atom)) return undefined;
    if (CLINGING.has(atom)) {
      // A space typed before a comma is not copied, but one before ".net" is: there the full stop opens a word.
      const opens = atom === "." && this.gaps.get(`${before} . ${keys[i + 1] ?? ""}`) === false;
      return opens && this.gaps.get(`${before} .`) === true;
    }
    // Nor is a space left out after a mark that ends something.
    if (ENDING.has(before) || (before === "," && !isNumber(atom))) return undefined;
    return this.gaps.get(CLINGING.has(before) ? `${before2} ${before} ${atom}` : `${before} ${atom}`);
  }
}

/** How a text as a whole is cased: where it is not "mixed", its capitals say little of single words. */
function casingOf(atoms: readonly Atom[]): "mixed" | "headline" | "shouted" {
  let [raised, plain, shouted] = [0, 0, 0];
  for (const { surface } of atoms) {
    if (surface.length < 2) continue;
    if (isShouted(surface)) shouted += 1;
    else if (isPlainCapital(surface)) raised += 1;
    else if (LOWER.test(surface)) plain += 1;
  }
  const all = raised + plain + shouted;
  if (all < 4) return all > 1 && shouted === all ? "shouted" : "mixed";
  if (shouted > 0.6 * all) return "shouted";
  return raised > 0.7 * all ? "headline" : "mixed";
}
