/** Share of characters that a broken word and what takes its place must have in common at least. */
const LEAST_ALIKE = 0.6;
/** The same of a word of several pieces that the text lacks: a broken word is hardly another's remains. */
const LEAST_ALIKE_LACKING = 0.5;
/** What the text lacks of its source is the likelier one meant, by so much of that share. */
const LACKING = 0.1;
/** Shorter words of a source are like too many others. */
const SHORTEST = 3;
export const CONTINUES = "##";
/** Pieces of a word that is a term, if none that begins with a capital: a sampler has few others for it, and loses it as it loses names. Of QQP's validation sources one in ten has such a word. */
const PIECES_OF_A_TERM = 3;

/** A token, and the places of the text that it stands for. */
export interface Placed {
  id: number;
  from: readonly number[];
}

export interface Whole {
  tokens: Placed[];
  /** Words that are none, of which some gave their place to the source's; and those that nothing in the source is like. */
  strange: number;
  broken: number;
}

interface Word {
  /** Places of its pieces. */
  places: number[];
  ids: number[];
  pieces: string[];
  text: string;
}

/** The words of a WordPiece line: a piece that goes on, and those after it, belong to the word before them. */
function wordsOf(ids: readonly number[], spelled: readonly string[]): Word[] {
  const words: Word[] = [];
  for (const [place, token] of spelled.entries()) {
    const goesOn = token.startsWith(CONTINUES);
    const piece = goesOn ? token.slice(CONTINUES.length) : token;
    if (!goesOn || words.length === 0) words.push({ places: [], ids: [], pieces: [], text: "" });
    const word = words.at(-1)!;
    word.places.push(place);
    word.ids.push(ids[place]!);
    word.pieces.push(token);
    word.text += piece;
  }
  return words;
}

/** Share of two words' characters that stand in both in the same order: 2 LCS / (|a| + |b|). */
function alikeness(a: string, b: string): number {
  let row = new Uint16Array(b.length + 1);
  for (const letter of a) {
    const next = new Uint16Array(b.length + 1);
    for (let j = 1; j <= b.length; j++) next[j] = letter === b[j - 1] ? row[j - 1]! + 1 : Math.max(row[j]!, next[j - 1]!);
    row = next;
  }
  return (2 * row[b.length]!) / (a.length + b.length);
}

/** How many of the last pieces of a word are pieces of another, in whatever order. */
function sharedEnd(word: Word, other: Word): number {
  const left = [...other.ids];
  let shared = 0;
  for (const id of word.ids.toReversed()) {
    const at = left.indexOf(id);
    if (at < 0) break;
    left.splice(at, 1);
    shared += 1;
  }
  return shared;
}

/** What may take a broken word's place: a word of the source, or two of which the second lost its beginning ("freevirus": "free antivirus"). */
function substitutes(broken: Word, source: ReadonlyMap<string, Word>): Word[][] {
  return [...source.values()].flatMap((word) => {
    const own = broken.pieces.length - sharedEnd(broken, word);
    const before = source.get(broken.pieces.slice(0, own).map((piece, i) => (i > 0 || piece.startsWith(CONTINUES) ? piece.slice(CONTINUES.length) : piece)).join(""));
    const joined = word.pieces.length > 1 && own > 0 && own < broken.pieces.length && before !== undefined ? [[before, word]] : [];
    return [...(word.text.length >= SHORTEST ? [[word]] : []), ...joined];
  });
}

/**
 * Words are copied whole. Rare words are several tokens, and a sampler that writes all places at once may write some of their pieces and not others, or in another order
 * ("endlasmic reopulum" for "endoplasmic reticulum"). Such a word, of more than one piece, that is neither the source's nor known, gives its place to the source's that is most like it.
 * @param ids of a text between its special tokens
 * @param source likewise
 * @param spell the vocabulary's spelling of each
 * @param known words of several pieces that there are
 * @returns the tokens, and where each comes from; words that nothing in the source is like stay
 */
export function wholeWords(ids: readonly number[], source: readonly number[], spell: (ids: readonly number[]) => string[], known: ReadonlySet<string>): Whole {
  const its = new Map(wordsOf(source, spell(source)).map((word) => [word.text, word]));
  const own = wordsOf(ids, spell(ids));
  const there = new Set(own.map(({ text }) => text));
  let [strange, broken] = [0, 0];
  const tokens = own.flatMap((word): Placed[] => {
    const asRead = word.ids.map((id, i) => ({ id, from: [word.places[i]!] }));
    const whole = word.pieces.length === 1 && !word.pieces[0]!.startsWith(CONTINUES);
    if (whole || its.has(word.text) || known.has(word.text)) return asRead;
    strange += 1;
    const [best] = substitutes(word, its)
      .map((words) => ({ words, alike: alikeness(word.text, words.map(({ text }) => text).join("")), lacking: words.every(({ text }) => !there.has(text)) }))
      .filter(({ words, alike, lacking }) => alike >= (lacking && words.some(({ pieces }) => pieces.length > 1) ? LEAST_ALIKE_LACKING : LEAST_ALIKE))
      .sort((a, b) => b.alike - a.alike + LACKING * (Number(b.lacking) - Number(a.lacking)));
    if (best !== undefined) return best.words.flatMap((each) => each.ids).map((id) => ({ id, from: word.places }));
    broken += 1;
    return asRead;
  });
  return { tokens, strange, broken };
}

/**
 * How many rare words of a source a text has lost: words of several pieces that no word of the text is like ("reticulum" in "rough endoplasmic real"). Another form of a word is like it.
 * @param ids of the text between its special tokens
 * @param source likewise
 * @param spell the vocabulary's spelling of each
 */
export function lostTerms(ids: readonly number[], source: readonly number[], spell: (ids: readonly number[]) => string[]): number {
  const own = wordsOf(ids, spell(ids));
  const terms = new Set(wordsOf(source, spell(source)).filter(({ pieces }) => pieces.length >= PIECES_OF_A_TERM).map(({ text }) => text));
  return [...terms].filter((term) => !own.some(({ text }) => alikeness(text, term) >= LEAST_ALIKE)).length;
}
