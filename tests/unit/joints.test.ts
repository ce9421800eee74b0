import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withJoints } from "../../src/model/joints.js";

/** Tokens are numbered as they come up. */
const vocabulary: string[] = [];
const ids = (line: string) => (line === "" ? [] : line.split(" ").map((token) => (vocabulary.includes(token) ? vocabulary.indexOf(token) : vocabulary.push(token) - 1)));
const spell = (line: readonly number[]) => line.map((id) => vocabulary[id]!);
const made = (line: string, source: string) => withJoints(ids(line).map((id, place) => ({ id, from: [place] })), ids(source), spell);
const said = (line: string, source: string) => spell(made(line, source).map(({ id }) => id)).join(" ");

describe("what joins two words", () => {
  test("is what joins them in the source", () => {
    assert.equal(said("the rs - 2000 notes and push ups", "new rs . 2000 notes or push - ups ?"), "the rs . 2000 notes and push - ups");
    assert.equal(said("the government s decision", "a government ' s money"), "the government ' s decision");
    assert.equal(said("what you re about", "what you ’ re passionate about"), "what you ’ re about");
    assert.equal(said("a young - adult", "young adult cruises"), "a young adult");
    assert.equal(said("the u . s debate", "the u . s . debate"), "the u . s . debate");
  });

  test("is left where the source has it in two ways, has other words, or other marks stand there", () => {
    for (const [line, source] of [
      ["rs 500", "rs . 500 and rs 500"],
      ["rs - 600", "rs . 500"],
      ["pro - 2016", "pro ( 2016 )"],
      ["in life if", "in life , if"],
      ["a girl ? how", "a girl . how"],
      ["", "a - b"],
      ["a", ""],
    ] as const) assert.equal(said(line, source), line, source);
  });

  test("has the place of what it stands before", () => {
    assert.deepEqual(made("do push ups", "push - ups").map(({ from }) => from), [[0], [1], [2], [2]]);
  });
});
