import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inflectionsOf } from "../../src/model/revision.js";
import { hasForms, kinship } from "../../src/model/word-forms.js";

describe("forms of a word", () => {
  test("regular ones of one word are told, and what grammar or custom asks for", () => {
    for (const pair of ["way ways", "create creating", "plan planned", "study studies", "studied study", "watch watches", "writes writing", "do does", "is are", "she her", "that those", "in on", "for to", "took taken", "writes written", "flies flew", "man men", "child children"]) {
      const [one, other] = pair.split(" ") as [string, string];
      assert.deepEqual([kinship(one, other), kinship(other, one)], ["form", "form"], pair);
    }
  });

  test("one auxiliary may stand for another of its tense", () => {
    assert.deepEqual([kinship("is", "do"), kinship("was", "did"), kinship("is", "did"), kinship("do", "does")], ["auxiliary", "auxiliary", undefined, "form"]);
  });

  test("other words, the same word and what is no word are none", () => {
    for (const pair of ["way day", "is was", "way way", "live life", "leave leaf", "a an", "5 5s", "##s ##es", "in is", "is its", "he her", "you your", "cat category"]) {
      const [one, other] = pair.split(" ") as [string, string];
      assert.deepEqual([kinship(one, other), kinship(other, one)], [undefined, undefined], pair);
    }
    assert.deepEqual(["is", "in", "way", "it", "5", "##s", "?"].map(hasForms), [true, true, true, false, false, false, false]);
  });

  test("drafts have a word of one token blanked, where it does not stand between the source's neighbours", () => {
    const vocabulary = "[CLS] [SEP] what is are the best ways to learn guitar ##s quickly ?".split(" ");
    const ids = (line: string) => line.split(" ").map((word) => vocabulary.indexOf(word));
    const line = "[CLS] what is the best ways to learn guitar ##s ? [SEP]";
    const text = ids(line).map((id) => ({ id, confidence: 1 }));
    const drafts = inflectionsOf(text, ids("[CLS] what is the best ways to quickly learn guitar ? [SEP]"), line.split(" "));
    assert.deepEqual(drafts.map(({ blank, old }) => [blank, vocabulary[old!.id]]), [[6, "to"], [7, "learn"]]);
    for (const { tokens, blank } of drafts) assert.deepEqual(tokens, text.map((token, i) => (i === blank ? undefined : token)));
    assert.deepEqual(inflectionsOf(text, [], line.split(" ")).map(({ blank }) => blank), [1, 2, 3, 4, 5, 6, 7]);
  });
});
