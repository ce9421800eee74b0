import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { choose, leading, linearScores, loadSelector, type Selector, splitSentences } from "../../src/conditioning/selection.js";
import { projectPath } from "../../src/project.js";

// training/tests/test_selection.py holds the training code to the same file.
const { selector: json, cases } = JSON.parse(readFileSync(projectPath("tests/fixtures/selection/cases.json"), "utf8")) as {
  selector: Record<string, unknown>;
  cases: { text: string; sentences: string[]; selected: string }[];
};
const selector = loadSelector(json);
const count = (sentence: string) => sentence.split(/\s+/).length;
const select = (text: string, by: Selector, limit?: number) => {
  const found = leading(text, by, count, limit);
  return found ? choose(found, linearScores(found, by), by, count) : [];
};

describe("content selection", () => {
  it("cuts a text into sentences as the training code does", () => {
    for (const { text, sentences } of cases) assert.deepEqual(splitSentences(text, selector.abbreviations), sentences);
  });

  it("chooses what the training code chooses", () => {
    for (const { text, selected } of cases) assert.equal(select(text, selector).join(" ") || text, selected);
  });

  it("keeps to its budget, but for the first sentence", () => {
    const [{ text }] = cases as [(typeof cases)[number]];
    const tight = select(text, { ...selector, budget: 1 });
    assert.equal(tight.length, 1);
    const wide = select(text, { ...selector, budget: 1000 });
    assert.equal(wide.length, 5);
    assert.equal(wide[0], tight[0]);
  });

  it("chooses by other scores where there are any", () => {
    const [{ text }] = cases as [(typeof cases)[number]];
    const found = leading(text, selector, count)!;
    const last = found.places.at(-1)!;
    assert.equal(choose(found, found.places.map((place) => Number(place === last)), selector, count)[0], found.sentences[last]);
  });

  it("chooses nothing that ends beyond the limit", () => {
    const [{ text, sentences }] = cases as [(typeof cases)[number]];
    const limit = count(sentences[0]!);
    assert.deepEqual(select(text, { ...selector, budget: 1000 }, limit), [sentences[0]]);
    assert.deepEqual(select(text, selector, limit - 1), []);
  });

  it("names what is wrong with a selector file", () => {
    assert.throws(() => loadSelector({ ...json, budget: 0 }), /selector: budget/);
    assert.throws(() => loadSelector({ ...json, features: { one: 1 } }), /22 weights, not 1/);
  });
});
