import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Blanks } from "../../src/model/blanks.js";
import type { BundleCard } from "../../src/model/bundle.js";
import type { DiffusionPart, DiffusionRow } from "../../src/model/diffusion-row.js";
import type { Inflector } from "../../src/model/inflector.js";
import { quality } from "../../src/model/quality.js";
import { Reviser } from "../../src/model/reviser.js";
import type { Draft } from "../../src/model/revision.js";
import type { SampleReader } from "../../src/model/sample-reader.js";

const VOCABULARY = "[PAD] [CLS] [SEP] [MASK] what caused causes made the big bang did in out nature ? .".split(" ");
const id = (word: string) => VOCABULARY.indexOf(word);
const ids = (line: string) => line.split(" ").map(id);
const spell = (line: readonly number[]) => line.map((each) => VOCABULARY[each]!).join(" ");
const CARD = { task: "paraphrase", tokens: { pad: 0, cls: 1, sep: 2, unk: 3, mask: 3, special: [0, 1, 2, 3] } } as unknown as BundleCard;

interface World {
  /** Nats by which the words of a text are unlikely. */
  unlikely: (text: string) => number;
  /** What the critic thinks of a text; 0 of one that is not told. */
  score?: (text: string) => number;
  /** The likeliest other word for one of the source's. */
  other?: Record<string, string>;
  revisions?: number;
  /** What a text comes to with its words in the right forms. */
  right?: Record<string, string>;
}

/** What a text's samples come to, once nothing is left to be done for them. */
async function revised(source: string, samples: string[], { unlikely, score = () => 0, other = { caused: "causes" }, revisions = 4, right = {} }: World): Promise<string[]> {
  const estimateOf = (text: string) => {
    const doubts = new Float32Array(text.split(" ").length + 2).fill(-5);
    return { similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0, unlikely: unlikely(text), doubts, criticism: { score: score(text), doubts } };
  };
  const part = { source: { text: source, canvas: 16 }, used: { revisions, num_candidates: 1 }, revisions: 0, rows: [] } as unknown as DiffusionPart;
  const textOf = (row: DiffusionRow) => spell(row.decoded!.ids);
  part.rows = samples.map((text) => {
    const decoded = { ids: ids(text), line: [1, ...ids(text), 2], confidences: text.split(" ").map(() => 0.9), score: 0.9, ended: true };
    return { part, decoded, estimate: estimateOf(text), condition: { ids: [1, ...ids(source), 2] }, revisions: 0, settled: new Set() } as unknown as DiffusionRow;
  });
  const candidateOf = (row: DiffusionRow) => ({ text: textOf(row), score: 0.9, is_copy: textOf(row) === source, finish_reason: "stop" as const });
  const reader = {
    tellsPlaces: true,
    samples: (rows: DiffusionRow[]) => rows.map((row) => (row.spelled ??= { candidate: candidateOf(row), tokens: row.decoded!.ids.length })),
    appraise: (_: unknown, rows: DiffusionRow[], sampled: { text: string }[], weights?: Parameters<typeof quality>[3]) => quality(rows.map((row, i) => ({ ...row.estimate!, text: sampled[i]!.text })), source, "paraphrase", weights),
    estimate: async (rows: DiffusionRow[]) => rows.forEach((row) => (row.estimate = estimateOf(textOf(row)))),
    weigh: async () => {},
    strangeWords: () => 0,
    spell: (line: number[]) => line.map((each) => VOCABULARY[each]!),
    whole: (text: unknown) => text,
  } as unknown as SampleReader;
  const blanks = {
    text: ({ decoded }: DiffusionRow) => [1, ...decoded!.ids, 2].map((each) => ({ id: each, confidence: 0.9 })),
    fill: async (drafts: Draft[]) => drafts.map(({ old }) => [{ id: id(other[VOCABULARY[old!.id]!] ?? VOCABULARY[old!.id]!), probability: 0.5, gain: other[VOCABULARY[old!.id]!] ? 0.5 : 0 }]),
  } as unknown as Blanks;
  const inflector = {
    inflected: async (row: DiffusionRow) => {
      const text = right[textOf(row)];
      if (text === undefined) return undefined;
      const made = { ...row, decoded: { ...row.decoded!, ids: ids(text), line: [1, ...ids(text), 2] } } as DiffusionRow;
      return { decoded: made.decoded, estimate: estimateOf(text), spelled: { candidate: candidateOf(made), tokens: ids(text).length } };
    },
  } as unknown as Inflector;
  const reviser = new Reviser(CARD, reader, blanks, inflector);
  for (let times = 0; (await reviser.revise(part)).again; times += 1) assert.ok(times < 20, "it ends");
  return part.rows.map(textOf);
}

describe("a paraphrase whose words are unlikely", () => {
  const source = "what caused the big bang in nature ?";
  const broken = "did big made the nature bang ?";
  const unlikely = (text: string) => (text === broken ? 1.5 : 0.3);

  test("gives way to its source reworded", async () => {
    assert.deepEqual(await revised(source, [broken], { unlikely }), ["what causes the big bang in nature ?"]);
  });

  test("stays where its words are likely, nothing may be revised, or the source is no question", async () => {
    assert.deepEqual(await revised(source, [broken], { unlikely: () => 0.3 }), [broken]);
    assert.deepEqual(await revised(source, [broken], { unlikely, revisions: 0 }), [broken]);
    const stated = broken.replace("?", ".");
    assert.deepEqual(await revised(source.replace("?", "."), [stated], { unlikely: (text) => (text === stated ? 1.5 : 0.3) }), [stated]);
  });

  test("stays where no other word for the source's is found, which would make a copy of it, or the critic thinks less of what is found", async () => {
    assert.deepEqual(await revised(source, [broken], { unlikely, other: {} }), [broken]);
    const score = (text: string) => (text.includes("causes") ? -2 : 0);
    assert.deepEqual(await revised(source, [broken], { unlikely, score }), [broken]);
  });

  test("has no word turned into its opposite for that", async () => {
    assert.deepEqual(await revised(source, [broken], { unlikely, other: { in: "out" } }), [broken]);
    assert.deepEqual(await revised(source, [broken], { unlikely, other: { in: "made" } }), ["what caused the big bang made nature ?"]);
  });

  test("may be a little worse than the source itself to the critic, and is replaced once", async () => {
    const score = (text: string) => (text === source ? 0.4 : 0);
    assert.deepEqual(await revised(source, [broken], { unlikely, score }), ["what causes the big bang in nature ?"]);
    const again = await revised(source, [broken, "the nature bang made big did ?"], { unlikely: (text) => (text.startsWith("what") ? 0.3 : 1.5) });
    assert.equal(again.filter((text) => text === "what causes the big bang in nature ?").length, 1);
  });
});

describe("a paraphrase that is its source with a word in the wrong form", () => {
  const source = "what caused the big bang in nature ?";
  const slip = "what did the big bang in nature ?";
  const right = { [slip]: source };
  const unlikely = () => 0.3;

  test("gives way to the next", async () => {
    const other = "what made the big bang ?";
    const likelier = (text: string) => (text === other ? 0.65 : -0.5);
    assert.deepEqual(await revised(source, [slip, other], { unlikely: likelier, right, other: {} }), [source, other]);
  });

  test("is reworded as the copy that it is, once more at most", async () => {
    assert.deepEqual(await revised(source, [slip], { unlikely, right, other: { caused: "made" } }), ["what made the big bang in nature ?"]);
    assert.deepEqual(await revised(source, [slip], { unlikely, right, other: {} }), [source]);
    assert.deepEqual(await revised(source, [slip], { unlikely, right: { ...right, "what made the big bang in nature ?": source }, other: { caused: "made" } }), ["what made the big bang in nature ?"]);
  });
});
