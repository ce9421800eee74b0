import { fold } from "./atoms.js";

/** How words are written in mid-sentence, learned from texts (training/tdi_training/lexicon.py). Keys are folded. */
export interface Lexicon {
  /** Words not written in plain lower case, e.g. "india" -> "India". */
  readonly forms: ReadonlyMap<string, string>;
  /** Frequent words nearly always written in lower case. */
  readonly lower: ReadonlySet<string>;
  /** Adjacent words written otherwise than they are alone, keyed "the us"; "0" stands for any number. */
  readonly pairs: ReadonlyMap<string, readonly [string, string]>;
}

/** A lexicon that knows nothing: casing then comes from the source alone. */
export const EMPTY_LEXICON: Lexicon = { forms: new Map(), lower: new Set(), pairs: new Map() };

function words(value: unknown, field: string): string[] {
  if (typeof value !== "string") throw new TypeError(`lexicon: "${field}" must be a string of words`);
  return value.split(" ").filter((word) => word !== "");
}

/** Reads the parsed JSON of a lexicon file; a TypeError says what is wrong with its shape. */
export function loadLexicon(json: unknown): Lexicon {
  if (typeof json !== "object" || json === null) throw new TypeError("lexicon: must be an object");
  const { version, forms, lower, pairs } = json as Record<string, unknown>;
  if (version !== 1) throw new TypeError('lexicon: "version" must be 1');
  if (!Array.isArray(pairs)) throw new TypeError('lexicon: "pairs" must be an array');
  return {
    forms: new Map(words(forms, "forms").map((form) => [fold(form), form])),
    lower: new Set(words(lower, "lower")),
    pairs: new Map(
      pairs.map((pair, i) => {
        const [first, second, ...rest] = words(pair, `pairs[${i}]`);
        if (first === undefined || second === undefined || rest.length > 0) {
          throw new TypeError(`lexicon: "pairs[${i}]" must hold two words`);
        }
        return [`${fold(first)} ${fold(second)}`, [first, second] as const];
      }),
    ),
  };
}
