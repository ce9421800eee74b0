import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Candidate } from "../../src/engine/contract.js";
import { cutWords, isCopy, rank } from "../../src/model/candidates.js";
import { canvasFor, widthFor } from "../../src/model/lengths.js";

const candidate = (text: string, score: number, more: Partial<Candidate> = {}): Candidate => ({ text, score, is_copy: false, finish_reason: "stop", ...more });

describe("candidates", () => {
  test("a copy is one whatever its case, punctuation and spacing", () => {
    assert.ok(isCopy("how do i cook rice", "How do I cook rice?"));
    assert.ok(!isCopy("How do you cook rice?", "How do I cook rice?"));
  });

  test("copies of a paraphrase's source come last, then confidence decides", () => {
    const all = [candidate("a", 0.5), candidate("b", 0.9, { is_copy: true }), candidate("c", 0.7)];
    assert.deepEqual(rank(all, "paraphrase").map((c) => c.text), ["c", "a", "b"]);
    assert.deepEqual(rank(all, "summarize").map((c) => c.text), ["b", "c", "a"]);
  });

  test("an empty text comes behind everything, a cut one behind a whole one", () => {
    const all = [candidate("", 1), candidate("cut", 0.9, { finish_reason: "max_words" }), candidate("open", 0.8, { finish_reason: "canvas" }), candidate("whole", 0.1)];
    assert.deepEqual(rank(all, "summarize").map((c) => c.text), ["whole", "open", "cut", ""]);
  });

  test("cutWords keeps whole words and tells when nothing was cut", () => {
    assert.equal(cutWords("one  two three", 2), "one  two");
    assert.equal(cutWords("one two", 2), undefined);
  });
});

describe("lengths", () => {
  const rule = { ratio: 1.15, extra: 1 };

  test("a paraphrase gets the smallest canvas with room, the largest when none has", () => {
    assert.equal(canvasFor("paraphrase", 10, [32, 16, 24], rule), 16);
    assert.equal(canvasFor("paraphrase", 14, [16, 24, 32], rule), 24);
    assert.equal(canvasFor("paraphrase", 48, [16, 24, 32], rule), 32);
  });

  test("a summary's canvas is never longer than its text", () => {
    assert.equal(canvasFor("summarize", 200, [32, 48], rule), 48);
    assert.equal(canvasFor("summarize", 40, [32, 48], rule), 32);
    assert.equal(canvasFor("summarize", 31, [32, 48], rule), undefined);
  });

  test("widths are multiples of 16 that hold the source", () => {
    assert.deepEqual([1, 16, 17, 48].map((n) => widthFor(n, 48)), [16, 16, 32, 48]);
  });
});
