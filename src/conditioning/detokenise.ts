import { isIdeograph, isNumber, isWord } from "./atoms.js";

/** Says whether atom `i` is written with a space before it, or nothing where it has no opinion. */
export type SpacingWitness = (atoms: readonly string[], i: number) => boolean | undefined;

const SPECIAL = new Set(["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]);
const CLOSING = new Set([...".,?!;:)]}%…»”"]);
const OPENING = new Set([..."([{$£€#@«“‘¿¡"]);
const JOINING = new Set([..."-/\\^_~‐‑"]);
const STOPS = new Set([...".?!"]);
const CONTRACTED = new Set(["s", "t", "re", "ve", "ll", "d", "m", "em"]);
const ELIDED = new Set(["o", "d", "l", "y"]);
const CLAUSE_OPENERS = new Set(
  "the this that these but who which it he she they we although because including when while".split(" "),
);
const DOMAINS = new Set(["com", "org", "net", "js", "edu", "gov", "io"]);

/** Joins WordPiece tokens ("##" continues a word) into atoms; special tokens are left out. */
export function joinPieces(tokens: readonly string[]): string[] {
  const words: string[][] = [];
  for (const token of tokens) {
    if (SPECIAL.has(token)) continue;
    const continues = token.length > 2 && token.startsWith("##");
    const last = words.at(-1);
    if (continues && last) last.push(token.slice(2));
    else words.push([continues ? token.slice(2) : token]);
  }
  return words.map((pieces) => pieces.join("").trim()).filter((word) => word !== "");
}

/** "u . s ." and "a . b": a full stop within initials. */
function insideInitials(atoms: readonly string[], i: number): boolean {
  const letter = (k: number) => /^\p{L}$/u.test(atoms[k] ?? "");
  return atoms[i - 1] === "." && letter(i - 2) && letter(i) && (atoms[i + 1] === "." || atoms[i - 3] === ".");
}

/** True when the hyphen at `i` stands for a dash: a clause follows it, unlike in "up-to-the-minute". */
function isDash(atoms: readonly string[], i: number): boolean {
  return atoms[i] === "-" && CLAUSE_OPENERS.has(atoms[i + 1] ?? "") && atoms[i + 2] !== "-" && atoms[i - 2] !== "-";
}

/** Space between two atoms by English usage; quotation marks are settled beforehand. */
function spacedByRule(atoms: readonly string[], i: number): boolean {
  const [before2, before, atom] = [atoms[i - 2] ?? "", atoms[i - 1] ?? "", atoms[i] ?? ""];
  if (CLOSING.has(atom) || OPENING.has(before)) return false;
  if (isDash(atoms, i) || isDash(atoms, i - 1)) return true;
  if (JOINING.has(atom) || JOINING.has(before)) return false;
  if (atom === "+" || (before === "+" && isNumber(atom))) return false;
  if (atom === "*" && before === "*") return false;
  if (before === "." && isNumber(before2) && isNumber(atom)) return false;
  if (before === ":" && isNumber(before2) && isNumber(atom)) return false;
  if (before === "," && /^\D?\d{1,3}$/.test(before2) && /^\d{3}$/.test(atom)) return false;
  if (before === "." && isWord(before2) && DOMAINS.has(atom)) return false;
  if (before === "&" || atom === "&") {
    const [left, right] = before === "&" ? [before2, atom] : [before, atoms[i + 1] ?? ""];
    return left.length > 1 && right.length > 1;
  }
  if (insideInitials(atoms, i)) return false;
  return !(isIdeograph(before) && isIdeograph(atom));
}

/**
 * The side on which each straight quotation mark or apostrophe clings: -1 left, 1 right, 0 both; double marks
 * alternate, single ones that are no apostrophe pair up in order.
 */
function clingingQuotes(atoms: readonly string[]): Map<number, -1 | 0 | 1> {
  const sides = new Map<number, -1 | 0 | 1>();
  const single: number[] = [];
  let open = false;
  atoms.forEach((atom, i) => {
    const [before, after] = [atoms[i - 1] ?? "", atoms[i + 1] ?? ""];
    if (atom === '"') {
      const inches = !open && isNumber(before) && atoms[i - 2] === "'";
      sides.set(i, open || inches ? -1 : 1);
      if (!inches) open = !open;
    } else if (atom === "'" || atom === "’") {
      const contraction = isWord(before) && (CONTRACTED.has(after) || (ELIDED.has(before) && isWord(after)));
      const feet = isNumber(before) && isNumber(after);
      if (contraction || feet) sides.set(i, 0);
      else if (atom === "’") sides.set(i, before === "" ? 1 : -1);
      else single.push(i);
    }
  });
  single.forEach((at, n) => {
    const alone = n === single.length - 1 && n % 2 === 0;
    sides.set(at, n % 2 === 1 || (alone && isWord(atoms[at - 1] ?? "")) ? -1 : 1);
  });
  return sides;
}

/** For each atom, whether a space stands before it; `witness` is asked before the rules of English usage. */
export function spaceAtoms(atoms: readonly string[], witness?: SpacingWitness): boolean[] {
  const quotes = clingingQuotes(atoms);
  return atoms.map((atom, i) => {
    if (i === 0) return false;
    if (STOPS.has(atom) && STOPS.has(atoms[i - 1] ?? "")) return false;
    const seen = witness?.(atoms, i);
    if (seen !== undefined) return seen;
    const side = quotes.get(i);
    const sideBefore = quotes.get(i - 1);
    if (side !== undefined && side <= 0) return false;
    if (sideBefore !== undefined && sideBefore >= 0) return false;
    if (side === 1 && !OPENING.has(atoms[i - 1] ?? "") && !JOINING.has(atoms[i - 1] ?? "")) return true;
    return spacedByRule(atoms, i);
  });
}

/** Writes atoms out as a text. */
export function writeAtoms(atoms: readonly string[], spaced: readonly boolean[]): string {
  return atoms.map((atom, i) => (spaced[i] ? ` ${atom}` : atom)).join("");
}

/**
 * WordPiece tokens to words as they are written, punctuation attached: ["don", "'", "t", "go", "."] gives
 * ["don't", "go."]. Joined with spaces they are the text, still in the tokenizer's lower case.
 */
export function detokenise(tokens: readonly string[]): string[] {
  const atoms = joinPieces(tokens);
  const text = writeAtoms(atoms, spaceAtoms(atoms));
  return text === "" ? [] : text.split(" ");
}
