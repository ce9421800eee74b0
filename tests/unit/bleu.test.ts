import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bleuTokens, meanUtility, sentenceBleu } from "../../src/model/bleu.js";

/** [candidate, reference, NLTK 3.10.4: sentence_bleu([reference], candidate, smoothing_function=SmoothingFunction().method4)]. */
const NLTK: [string, string, number][] = [
  ["How can I cook rice?", "How can I cook rice?", 1],
  ["How do you cook rice well?", "How can I cook rice?", 0.0974426461],
  ["What is rice?", "How can I cook rice?", 0.1020299507],
  ["rice", "How can I cook rice?", 0.006737947],
  ["How can I cook some rice in the oven at home tonight?", "How can I cook rice?", 0.2140160303],
  ["Bread.", "How can I cook rice?", 0],
  ["the the the the", "the cat sat on the mat", 0.0440226866],
  ["How can", "How can I cook rice?", 0.0299616873],
];

describe("sentence BLEU", () => {
  for (const [candidate, reference, expected] of NLTK) {
    test(`"${candidate}" against "${reference}" is what NLTK gives`, () => {
      assert.ok(Math.abs(sentenceBleu(bleuTokens(candidate), bleuTokens(reference)) - expected) < 1e-9, String(sentenceBleu(bleuTokens(candidate), bleuTokens(reference))));
    });
  }

  test("an empty candidate scores 0", () => assert.equal(sentenceBleu([], ["a"]), 0));

  test("tokens are lower-cased words and single marks", () => assert.deepEqual(bleuTokens("Is it 3.5, Éva?"), ["is", "it", "3", ".", "5", ",", "éva", "?"]));

  test("mean utility leaves out a text's own place, and counts a repeated text as often as it is there", () => {
    const [one, same, odd] = meanUtility(["how do i cook rice ?", "how do i cook rice ?", "what is bread made of today ?"]) as [number, number, number];
    assert.equal(one, same);
    assert.ok(one > 0.5 && odd < 0.2, `${one} ${odd}`);
    assert.deepEqual(meanUtility(["alone"]), [0]);
  });
});
