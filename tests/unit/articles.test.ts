import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { agreeing } from "../../src/model/articles.js";
import { loadBigrams } from "../../src/model/fluency.js";

describe("an indefinite article goes with the word behind it", () => {
  const [A, AN, IDEA, USER, RARE, SEP] = [0, 1, 2, 3, 4, 5];
  const counts = [50, 20, 10, 10, 1, 10];
  /** Of 100 tokens; "an idea" and "a user" were seen, and no other pair. */
  const pairs = [A * 6 + USER, AN * 6 + IDEA];
  const bigrams = loadBigrams(new Uint8Array(Uint32Array.from([1, 100, counts.length, ...counts, pairs.length, ...pairs]).buffer));
  const words = ["a", "an", "idea", "user", "ewe", "[SEP]"];
  const said = (ids: number[], source: number[] = []) => agreeing(ids, source, [A, AN], bigrams, (each) => each.map((id) => words[id]!));

  test("the form that was never seen before it gives way to the one that was", () => {
    assert.deepEqual(said([A, IDEA, AN, USER, SEP]), [AN, IDEA, A, USER, SEP]);
    assert.deepEqual(said([AN, IDEA, A, USER]), [AN, IDEA, A, USER]);
  });

  test("what the source has stays, and so does what is too rare to tell or has been seen with neither", () => {
    assert.deepEqual(said([A, IDEA], [7, A, IDEA]), [A, IDEA]);
    assert.deepEqual(said([A, IDEA], [A, USER, IDEA]), [AN, IDEA]);
    assert.deepEqual(said([A, RARE, AN, RARE, A, SEP]), [A, RARE, AN, RARE, A, SEP]);
  });

  test("what the source has before a word is meant, however often the other is written", () => {
    assert.deepEqual(said([A, RARE, A, USER], [AN, RARE, AN, USER]), [AN, RARE, AN, USER]);
    assert.deepEqual(said([A, RARE], [AN, RARE, A, RARE]), [A, RARE], "it has both");
  });

  test("where neither was seen before it, the word's first letters tell", () => {
    const words = "a an artwork wolf mba hour user europe once wow ability 3rd".split(" ");
    const unseen = { total: 1, counts: new Uint32Array(words.length), pairs: new Uint32Array() };
    const form = (article: number, next: number) => words[agreeing([article, next], [], [0, 1], unseen, (each) => each.map((id) => words[id]!))[0]!];
    assert.deepEqual(words.slice(2).map((_, i) => `${form(0, i + 2)} ${form(1, i + 2)}`), ["an an", "a a", "a an", "a an", "a an", "a an", "a an", "a an", "an an", "a an"]);
  });

  test("no other word is touched, and a text may end in an article or be empty", () => {
    assert.deepEqual(said([IDEA, USER, RARE, A]), [IDEA, USER, RARE, A]);
    assert.deepEqual(said([]), []);
  });
});
