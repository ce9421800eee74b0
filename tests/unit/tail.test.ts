import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { endOf, lackingMark, withoutStrayEnd } from "../../src/model/tail.js";

const [PAD, DOT, MARK] = [0, 1, 2];
const kept = (line: number[], source: number[] = []) => withoutStrayEnd([...line.keys()], line, source, new Set([DOT, MARK]), new Set([PAD])).map((i) => line[i]);

describe("the end of a line", () => {
  const [CLS, SEP] = [101, 102];
  const end = (line: number[]) => endOf(line, { sep: SEP, pad: PAD, special: new Set([PAD, CLS, SEP]) });

  it("is its first end token, whatever comes before or after", () => {
    assert.equal(end([CLS, 50, SEP, 51, SEP]), 2);
    assert.equal(end([CLS, PAD, 50, SEP, PAD]), 3);
  });

  it("is the padding after the last word where no end token was read", () => {
    assert.equal(end([CLS, 50, PAD, 51, PAD, PAD]), 4);
    assert.equal(end([CLS, PAD, PAD]), -1);
  });

  it("is missing where words fill the line", () => assert.equal(end([CLS, 50, 51]), -1));
});

describe("stray ends", () => {
  it("drops one or two tokens after the last mark", () => {
    assert.deepEqual(kept([50, 51, MARK, 52]), [50, 51, MARK]);
    assert.deepEqual(kept([50, 51, DOT, 52, 53]), [50, 51, DOT]);
  });

  it("does not count padding among them", () => assert.deepEqual(kept([50, 51, DOT, PAD, PAD, 52, PAD]), [50, 51, DOT]));

  it("keeps a third, which may be a sentence of its own", () => {
    assert.deepEqual(kept([50, 51, DOT, 52, 53, 54]), [50, 51, DOT, 52, 53, 54]);
  });

  it("keeps a text that ends in its mark, has none, or begins with it", () => {
    for (const line of [[50, 51, MARK], [50, 51], [DOT, 50], []]) assert.deepEqual(kept(line), line);
  });

  it("keeps what follows the mark in the source", () => {
    assert.deepEqual(kept([50, DOT, 52], [7, DOT, 52, 9]), [50, DOT, 52]);
    assert.deepEqual(kept([50, DOT, 52], [52, DOT, 7]), [50, DOT]);
  });

  it("looks at the places that are still kept", () => {
    const line = [50, 50, MARK, MARK, 53];
    assert.deepEqual(withoutStrayEnd([0, 2, 4], line, [], new Set([MARK]), new Set([PAD])), [0, 2]);
  });
});

describe("the mark at the end of a text", () => {
  const QUOTE = 60;
  const lacking = (text: number[], source: number[]) => lackingMark(text, source, new Set([DOT, MARK]), (id) => id !== QUOTE && id > MARK);

  it("is the source's, where a word ends the text", () => {
    assert.equal(lacking([50, 51], [50, 52, MARK]), MARK);
    assert.equal(lacking([50], [50, DOT]), DOT);
  });

  it("is not lacking where there is one, something else stands there, or the source has none", () => {
    assert.deepEqual([lacking([50, DOT], [50, MARK]), lacking([50, QUOTE], [50, MARK]), lacking([50], [50, 51]), lacking([], [MARK]), lacking([50], [])], [undefined, undefined, undefined, undefined, undefined]);
  });
});
