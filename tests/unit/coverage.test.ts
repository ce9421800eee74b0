import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Encoded, missedWords } from "../../src/model/coverage.js";

const VOCABULARY = "[CLS] [SEP] the someone dog hound cat".split(" ");
/** Of a million tokens of running text. */
const COUNTS = new Uint32Array([0, 0, 50_000, 400, 20, 5, 20]);
/** Where each word points: a hound lies near a dog. */
const DEGREES: Record<string, number> = { "[CLS]": 0, "[SEP]": 0, the: 90, someone: 180, dog: 0, hound: 20, cat: 80 };

const encoded = (line: string): Encoded => {
  const words = ["[CLS]", ...line.split(" ").filter(Boolean), "[SEP]"];
  const angles = words.map((word) => (DEGREES[word]! * Math.PI) / 180);
  return { latents: Float32Array.from(angles.flatMap((angle) => [3 * Math.cos(angle), 3 * Math.sin(angle)])), ids: words.map((word) => VOCABULARY.indexOf(word)) };
};
const missed = (text: string, source: string) => missedWords(encoded(text), encoded(source), 2, new Set([0, 1]), { counts: COUNTS, total: 1_000_000, pairs: new Uint32Array() });

describe("words of its source that a text misses", () => {
  test("are none that it has, or that another of its words comes near in meaning", () => {
    assert.equal(missed("the dog", "the dog"), 0);
    assert.equal(missed("the hound", "the dog"), 0);
    assert.equal(missed("dog the", "the dog"), 0, "wherever they stand");
  });

  test("count by how far the nearest word is, the rarer the more, and those that say nothing not at all", () => {
    assert.equal(missed("someone", "dog someone"), 1, "nothing near");
    const half = missed("cat", "dog");
    assert.ok(half > 0.6 && half < 0.8, "a cat is a little like a dog");
    const common = missed("dog", "dog someone");
    assert.ok(common > 0.7 && common < 0.9, "someone is a common word");
    assert.equal(missed("someone", "the someone"), 0);
  });

  test("are all of them where the text has no words", () => {
    assert.equal(missed("", "dog cat"), 2);
    assert.equal(missed("dog", ""), 0);
  });
});
