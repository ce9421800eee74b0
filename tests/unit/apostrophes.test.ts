import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withApostrophes } from "../../src/model/apostrophes.js";

/** Tokens are numbered as they come up. */
const vocabulary: string[] = ["'"];
const ids = (line: string) => (line === "" ? [] : line.split(" ").map((token) => (vocabulary.includes(token) ? vocabulary.indexOf(token) : vocabulary.push(token) - 1)));
const spell = (line: readonly number[]) => line.map((id) => vocabulary[id]!);
const made = (line: string) => withApostrophes(ids(line).map((id, place) => ({ id, from: [place] })), 0, spell);
const said = (line: string) => spell(made(line).map(({ id }) => id)).join(" ");

describe("apostrophes", () => {
  test("come back before the t of a negation", () => {
    assert.equal(said("i don t and can t"), "i don ' t and can ' t");
  });

  test("nowhere else", () => {
    for (const line of ["", "s", "the government s decision", "don ' t", "model t and plan b", "don", "' t"]) assert.equal(said(line), line);
  });

  test("stand for the place of what they come before", () => {
    assert.deepEqual(made("i don t").map(({ from }) => from), [[0], [1], [2], [2]]);
  });
});
