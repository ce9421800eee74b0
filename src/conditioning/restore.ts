/**
 * Makes generated text fit to show. The model writes in its tokenizer's alphabet, lower case without accents and cut
 * at every punctuation mark; casing, accents and spacing are taken from the source text and from a lexicon.
 */
import { fold } from "./atoms.js";
import { caseAtom, raise } from "./casing.js";
import { joinPieces, spaceAtoms, writeAtoms } from "./detokenise.js";
import type { Lexicon } from "./lexicon.js";
import { standings } from "./sentences.js";
import { SourceText } from "./source.js";

export { detokenise } from "./detokenise.js";
export { EMPTY_LEXICON, loadLexicon, type Lexicon } from "./lexicon.js";

/**
 * WordPiece tokens to text. A word that the source has is written as there, unless its capital is only that of a
 * sentence's start or the source as a whole is in lower case or capitals; then the lexicon decides. Sentences are
 * raised; names that neither knows stay in lower case. Time grows linearly with both texts, and no input throws.
 */
export function restore(tokens: readonly string[], source: string, lexicon: Lexicon): string {
  return restoreFrom(new SourceText(source), tokens, lexicon);
}

/** `restore` with a source indexed once, for several candidates of one text. */
export function restoreFrom(source: SourceText, tokens: readonly string[], lexicon: Lexicon): string {
  const keys = joinPieces(tokens).map(fold).filter((key) => key !== "");
  const spaced = spaceAtoms(keys, (atoms, i) => source.spaceBefore(atoms, i));
  const standing = standings(keys, spaced);
  return writeAtoms(keys.map((_, i) => raise(caseAtom(keys, i, source, lexicon), standing[i] ?? "inside")), spaced);
}
