import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lostTerms, wholeWords } from "../../src/model/whole-words.js";

/** Tokens are numbered as they come up. */
const vocabulary: string[] = [];
const idOf = (token: string) => (vocabulary.includes(token) ? vocabulary.indexOf(token) : vocabulary.push(token) - 1);
const ids = (line: string) => (line === "" ? [] : line.split(" ").map(idOf));
const spell = (line: readonly number[]) => line.map((id) => vocabulary[id]!);

function whole(line: string, source: string, known: string[] = []) {
  const { tokens, strange, broken } = wholeWords(ids(line), ids(source), spell, new Set(known));
  return { line: spell(tokens.map(({ id }) => id)).join(" "), from: tokens.map(({ from }) => from), strange, broken };
}

describe("words are copied whole", () => {
  const SOURCE = "the rough end ##op ##las ##mic re ##tic ##ulum is an anti ##virus for new ₹ ##50 ##0 notes";

  test("a word that lost a piece, or has its pieces in another order, is the source's again", () => {
    assert.equal(whole("the end ##las ##mic re ##op ##ulum", SOURCE).line, "the end ##op ##las ##mic re ##tic ##ulum");
    assert.equal(whole("an ex ##ama ##cl ##tory mark", "a ex ##cl ##ama ##tory mark").line, "an ex ##cl ##ama ##tory mark");
    assert.equal(whole("white hat hacking ##s", "white hat hacking").line, "white hat hacking");
  });

  test("a word that ran into the one before it stands by itself again, where both are the source's", () => {
    assert.equal(whole("a free ##virus", "a free anti ##virus").line, "a free anti ##virus");
    assert.equal(whole("new ##50 ##0 notes", SOURCE).line, "new ₹ ##50 ##0 notes");
    assert.equal(whole("not ##xi ##sten ##t", "it is none ##xi ##sten ##t").line, "none ##xi ##sten ##t", "no other word comes to stand before it");
  });

  test("what is whole, the source's or known stays, and so does what is like nothing in the source, which is counted", () => {
    for (const line of ["the rough anti ##virus", "play ##list ##s", "", "end of the new notes"]) assert.deepEqual(whole(line, SOURCE, ["playlists"]), { line, from: ids(line).map((_, i) => [i]), strange: 0, broken: 0 });
    assert.deepEqual(whole("by ##els ##ie or play ##list ##s", SOURCE, ["playlists"]), { line: "by ##els ##ie or play ##list ##s", from: [[0], [1], [2], [3], [4], [5], [6]], strange: 1, broken: 1 });
    assert.equal(whole("##s ##s of", "").broken, 1);
    assert.equal(whole("a free ##virus by ##els", "a free anti ##virus").strange, 2, "what gave way counts as strange too");
  });

  test("of two that are like it, the one that the text lacks", () => {
    const source = "do eu ##kar ##yo ##tic and pro ##kar ##yo ##tic cells differ";
    assert.equal(whole("do eu ##kar ##yo ##tic and ##kar ##yo ##tic cells differ", source).line, source);
  });

  test("a rare word that the text lacks takes the place of what is half like it", () => {
    const source = "hyper ##thy ##roid ##ism and h ##yp ##oth ##yr ##oid ##ism";
    assert.equal(whole("hyper ##thy ##roid ##ism and ho ##th ##thy ##yr ##yp ##thy ##ism", source).line, source);
    assert.equal(whole("by ##yr ##ism", "rhythm").line, "by ##yr ##ism");
  });

  test("each token tells which places it stands for", () => {
    assert.deepEqual(whole("the end ##las ##mic is", SOURCE).from, [[0], [1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3], [4]]);
  });

  test("a short word of the source takes no other's place", () => {
    assert.equal(whole("us ##ee", "i use us").line, "use");
    assert.equal(whole("us ##ee", "i us").line, "us ##ee");
  });

  test("a rare word that nothing in a text is like is lost, and counted once; another form of it is not", () => {
    const lost = (line: string) => lostTerms(ids(line), ids("the end ##op ##las ##mic re ##tic ##ulum and re ##tic ##ulum of r ##up ##ees anti ##virus"), spell);
    assert.deepEqual(["end ##op ##las ##mic re ##tic ##ulum r ##up ##ees", "end ##op ##las ##mic real rupee", "rupee ##s", ""].map(lost), [0, 1, 2, 3]);
  });
});
