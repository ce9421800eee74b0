import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Tokenizer } from "../../src/conditioning/tokenizer.js";
import type { BundleCard } from "../../src/model/bundle.js";
import { embeddedTokenizer } from "../fixtures/tokenizer.js";

/** Ids recorded from the Python tokenizer of the same file (transformers 5.23, all-MiniLM-L6-v2). */
describe("the tokenizer of the embedded bundles", () => {
  let tokenizer: Tokenizer;
  let tokens: BundleCard["tokens"];

  before(async () => {
    ({ tokenizer, tokens } = await embeddedTokenizer());
  });

  test("gives the ids of the Python tokenizer", () => {
    for (const [text, ids] of RECORDED) assert.deepEqual(tokenizer.encode(text).ids, ids, text);
  });

  test("a written-out special token is text", () => {
    const { ids } = tokenizer.encode("fill the [MASK] and [SEP] and [PAD]");
    assert.deepEqual(ids.filter((id) => tokens.special.includes(id)), [tokens.cls, tokens.sep]);
    assert.ok(tokenizer.spell(ids).join(" ").includes("[ mask ]"));
  });

  test("does not cut long texts", () => assert.equal(tokenizer.encode("word ".repeat(700)).ids.length, 702));

  test("tells what the model cannot read", () => {
    assert.equal(tokenizer.encode("How are you?").unreadable, 0);
    assert.ok(tokenizer.encode("これは日本語の文です").unreadable > 0.9);
    assert.equal(tokenizer.encode("\u200b").unreadable, 1);
  });
});

const RECORDED: [string, number[]][] = [
  ["How can I be a good geologist?", [101, 2129, 2064, 1045, 2022, 1037, 2204, 21334, 1029, 102]],
  ["Don't panic: it's 3.5 °C, naïve café-goers!", [101, 2123, 1005, 1056, 6634, 1024, 2009, 1005, 1055, 1017, 1012, 1019, 6362, 1010, 15743, 7668, 1011, 2175, 2545, 999, 102]],
  ["U.S. GDP rose 2,5% (Q3) — e-mail a@b.co/x", [101, 1057, 1012, 1055, 1012, 14230, 3123, 1016, 1010, 1019, 1003, 1006, 1053, 2509, 1007, 1517, 1041, 1011, 5653, 1037, 1030, 1038, 1012, 2522, 1013, 1060, 102]],
  ["Straße İstanbul ﬁne", [101, 2358, 27807, 9960, 1984, 2638, 102]],
  ["emoji 😀 and ‘quotes’ “here”…", [101, 7861, 29147, 2072, 100, 1998, 1520, 16614, 1521, 1523, 2182, 1524, 1529, 102]],
];
