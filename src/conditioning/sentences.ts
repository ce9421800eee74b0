import { isWord } from "./atoms.js";

const ABBREVIATIONS = new Set(
  ("mr mrs ms dr prof sr jr st sen rep gov gen col lt sgt capt rev hon vs etc inc ltd co corp no rs " +
    "jan feb aug sept oct nov dec approx").split(" "),
);
const ENDS = new Set([...".?!"]);
const CLOSES = new Set([..."\"'”’)]»"]);
const OPENS = new Set([..."\"“‘«'[–—-*•"]);
const OPENS_ALWAYS = new Set([...":…("]);

/** How an atom stands to its sentence: "start" opens one, "opening" may (after a colon, quotation mark or dash). */
export type Standing = "start" | "opening" | "inside";

/** True when the full stop at `i` ends an abbreviation or initials ("mr.", "u.s.") rather than a sentence. */
function abbreviates(keys: readonly string[], i: number): boolean {
  const word = keys[i - 1] ?? "";
  return keys[i] === "." && (ABBREVIATIONS.has(word) || (/^\p{L}$/u.test(word) && word !== "i"));
}

/** Where the text stands after the punctuation mark at `i`. */
function standingAfter(keys: readonly string[], spaced: readonly boolean[], i: number, state: Standing): Standing {
  const key = keys[i] ?? "";
  if (ENDS.has(key)) {
    // An ellipsis may or may not end a sentence.
    if (key === "." && keys[i - 1] === ".") return "opening";
    return abbreviates(keys, i) ? "inside" : "start";
  }
  // A hyphen within a word and a closing mark have no space before them.
  if (state === "inside") return OPENS_ALWAYS.has(key) || (OPENS.has(key) && spaced[i]) ? "opening" : "inside";
  return CLOSES.has(key) || OPENS.has(key) || OPENS_ALWAYS.has(key) ? state : "inside";
}

/** Standing of every atom; only those of words mean something. `spaced` says which atoms have a space before them. */
export function standings(keys: readonly string[], spaced: readonly boolean[]): Standing[] {
  let state: Standing = "start";
  return keys.map((key, i) => {
    // "node.js": what clings to a full stop does not begin a sentence.
    const clings = i > 0 && !spaced[i] && ENDS.has(keys[i - 1] ?? "");
    const standing = state === "start" && clings ? "inside" : state;
    state = isWord(key) ? "inside" : standingAfter(keys, spaced, i, state);
    return standing;
  });
}
