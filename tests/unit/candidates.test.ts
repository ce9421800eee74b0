import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Task } from "../../src/engine/contract.js";
import { meanUtility } from "../../src/model/bleu.js";
import { cutWords, isCopy, isNearDuplicate, rank, type Sampled } from "../../src/model/candidates.js";
import { canvasFor, widthFor } from "../../src/model/lengths.js";

const candidate = (text: string, score: number, more: Partial<Sampled> = {}): Sampled => ({ text, score, is_copy: false, finish_reason: "stop", ...more });

const MERITS = { confidence: (all: Sampled[]) => all.map(({ score }) => score), mbr: (all: Sampled[]) => meanUtility(all.map(({ text }) => text)) };
const ranked = (all: Sampled[], task: Task, merit: keyof typeof MERITS) => rank(all, task, MERITS[merit](all).map((value) => ({ merit: value, wrong: false }))).map(({ index, count }) => [all[index]!.text, count]);
const order = (all: Sampled[], task: Task) => ranked(all, task, "confidence").map(([text]) => text);

describe("candidates", () => {
  test("a copy is one whatever its case, punctuation and spacing", () => {
    assert.ok(isCopy("how do i cook rice", "How do I cook rice?"));
    assert.ok(!isCopy("How do you cook rice?", "How do I cook rice?"));
  });

  test("copies of a paraphrase's source come last, then confidence decides", () => {
    const all = [candidate("a", 0.5), candidate("b", 0.9, { is_copy: true }), candidate("c", 0.7)];
    assert.deepEqual(order(all, "paraphrase"), ["c", "a", "b"]);
    assert.deepEqual(order(all, "summarize"), ["b", "c", "a"]);
  });

  test("an empty text comes behind everything, a cut one behind a whole one", () => {
    const all = [candidate("", 1), candidate("cut", 0.9, { finish_reason: "max_words" }), candidate("open", 0.8, { finish_reason: "canvas" }), candidate("whole", 0.1)];
    assert.deepEqual(order(all, "summarize"), ["whole", "open", "cut", ""]);
  });

  test("minimum Bayes risk puts first what the other samples agree with, confidence what the decoder is sure of", () => {
    const all = [candidate("What is bread made of in France?", 0.9), candidate("How do I cook white rice?", 0.5), candidate("How do you cook white rice?", 0.4)];
    assert.deepEqual(ranked(all, "paraphrase", "mbr").at(-1), ["What is bread made of in France?", 1]);
    assert.deepEqual(ranked(all, "paraphrase", "confidence")[0], ["What is bread made of in France?", 1]);
  });

  test("under minimum Bayes risk too, copies of a paraphrase's source come last", () => {
    const all = [candidate("How do I cook rice?", 0.9, { is_copy: true }), candidate("How do I cook brown rice?", 0.5), candidate("What is bread?", 0.1)];
    assert.equal(ranked(all, "paraphrase", "mbr").at(-1)![0], "How do I cook rice?");
    assert.notEqual(ranked(all, "summarize", "mbr").at(-1)![0], "How do I cook rice?");
  });

  test("what says something else than its source comes behind a copy, and an empty text behind that", () => {
    const all = [candidate("", 1), candidate("Is it not hot?", 0.9), candidate("Is it hot?", 0.5, { is_copy: true }), candidate("Is it warm?", 0.1)];
    const judged = all.map(({ score }, i) => ({ merit: score, wrong: i === 1 }));
    assert.deepEqual(rank(all, "paraphrase", judged).map(({ index }) => index), [3, 2, 1, 0]);
  });

  test("near-duplicates become one, and the counts add up to the samples", () => {
    const all = [candidate("How do I cook rice", 0.2), candidate("What is bread?", 0.5), candidate("how do i cook rice?", 0.7), candidate("How do I cook rice ?", 0.6, { is_copy: true })];
    assert.deepEqual(ranked(all, "paraphrase", "confidence"), [["how do i cook rice?", 2], ["What is bread?", 1], ["How do I cook rice ?", 1]]);
    assert.deepEqual(ranked(all, "paraphrase", "mbr").map(([, count]) => count).sort(), [1, 1, 2]);
  });

  test("one word in ten may differ between near-duplicates, none in fewer", () => {
    const ten = "one two three four five six seven eight nine ten";
    assert.ok(isNearDuplicate(ten, ten.replace("five", "5")));
    assert.ok(isNearDuplicate(ten, ten.replace(" five", "")));
    assert.ok(!isNearDuplicate(ten, ten.replace("five", "5").replace("two", "2")));
    assert.ok(!isNearDuplicate("Is it hot?", "Is it cold?"));
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
