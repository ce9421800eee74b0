import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Blanks } from "../../src/model/blanks.js";
import type { BundleCard } from "../../src/model/bundle.js";
import type { DiffusionRow, SpelledSample } from "../../src/model/diffusion-row.js";
import { Inflector } from "../../src/model/inflector.js";
import type { Draft } from "../../src/model/revision.js";
import type { SampleReader } from "../../src/model/sample-reader.js";

const VOCABULARY = "[PAD] [CLS] [SEP] what is are the best way ways to do does work works".split(" ");
const id = (word: string) => VOCABULARY.indexOf(word);
const ids = (line: string) => line.split(" ").map(id);
const spell = (line: readonly number[]) => line.map((each) => VOCABULARY[each]!);
const CARD = { tokens: { pad: 0, cls: 1, sep: 2 } } as unknown as BundleCard;

interface Network {
  /** The likeliest word of each blank, given the words around it, with its probability and gain; another word stands for what it would not change. */
  likeliest: (before: string, old: string, after: string) => [word: string, probability: number, gain: number];
  slips?: number;
  copy?: string;
}

/** What an inflector makes of a line; undefined where it leaves it. */
async function inflected(line: string, { likeliest, slips = 0, copy }: Network): Promise<string | undefined> {
  const row = {
    condition: { ids: [] },
    decoded: { ids: ids(line), line: [1, ...ids(line), 2, 0], confidences: line.split(" ").map(() => 0.9), score: 0.9, ended: true },
    estimate: { slips: 0 },
  } as unknown as DiffusionRow;
  const blanks = {
    text: ({ decoded }: DiffusionRow) => [1, ...decoded!.ids, 2].map((each) => ({ id: each, confidence: 1 })),
    fill: async (drafts: Draft[]) =>
      drafts.map(({ tokens, blank, old }) => {
        const [word, probability, gain] = likeliest(VOCABULARY[tokens[blank - 1]!.id]!, VOCABULARY[old!.id]!, VOCABULARY[tokens[blank + 1]!.id]!);
        return [{ id: id(word), probability, gain }];
      }),
  } as unknown as Blanks;
  const reader = {
    spell,
    whole: (text: unknown) => text,
    weigh: async () => {},
    estimate: async (rows: DiffusionRow[]) => rows.forEach((made) => (made.estimate = { slips } as DiffusionRow["estimate"] & object)),
    samples: (rows: DiffusionRow[]) => rows.map(({ decoded }) => ({ candidate: { is_copy: spell(decoded!.ids).join(" ") === copy } }) as SpelledSample),
  } as unknown as SampleReader;
  const made = await new Inflector(CARD, reader, blanks).inflected(row);
  return made && spell(made.decoded!.ids).join(" ");
}

describe("words in other forms", () => {
  /** Prefers "ways" before "to", and a verb as the word before it asks. */
  const grammar: Network["likeliest"] = (before, old) =>
    old === "way" ? ["ways", 0.9, 2] : old === "is" ? ["are", 0.8, 1] : old === "works" && before === "does" ? ["work", 0.9, 3] : old === "do" ? ["does", 0.6, 4] : [old, 1, 0];

  test("are taken one after the other, as each may depend on another", async () => {
    assert.equal(await inflected("what is the best way to work", { likeliest: grammar }), "what are the best ways to work");
    assert.equal(await inflected("do works", { likeliest: grammar }), "does work", "the verb is asked again once the other is right");
    assert.equal(await inflected("the best ways", { likeliest: grammar }), undefined);
  });

  test("only where the network is sure, gains by it, and means another form of the word", async () => {
    const of = (word: string, probability: number, gain: number) => inflected("the best way", { likeliest: (_, old) => (old === "way" ? [word, probability, gain] : [old, 1, 0]) });
    assert.deepEqual([await of("ways", 0.6, 1), await of("ways", 0.4, 1), await of("ways", 0.6, 0.5), await of("works", 0.9, 9)], ["the best ways", undefined, undefined, undefined]);
  });

  test("another auxiliary needs more", async () => {
    const of = (probability: number, gain: number) => inflected("what is work", { likeliest: (_, old) => (old === "is" ? ["do", probability, gain] : [old, 1, 0]) });
    assert.deepEqual([await of(0.7, 2.5), await of(0.6, 2.5), await of(0.7, 1.5)], ["what do work", undefined, undefined]);
  });

  test("three words of a text at most", async () => {
    assert.equal(await inflected("way way way way", { likeliest: grammar }), "ways ways ways way");
  });

  test("not where the judge finds slips in it then", async () => {
    assert.equal(await inflected("the best way", { likeliest: grammar, slips: 1 }), undefined);
  });

  test("a source with a word in the wrong form becomes the copy that it is", async () => {
    assert.equal(await inflected("the best way", { likeliest: grammar, copy: "the best ways" }), "the best ways");
  });
});
