import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { names, negated, numbers, unfaithful } from "../../src/model/faithfulness.js";
import { projectPath } from "../../src/project.js";

const CASES = JSON.parse(readFileSync(projectPath("tests/fixtures/faithfulness.json"), "utf8")) as { text: string; numbers: string[]; names: string[]; negated: boolean }[];

describe("what a text keeps of its source", () => {
  for (const each of CASES) {
    test(`is counted as in training: ${JSON.stringify(each.text)}`, () => {
      assert.deepEqual([numbers(each.text), names(each.text), negated(each.text)], [new Set(each.numbers), new Set(each.names), each.negated]);
    });
  }

  test("lost is what the source alone has, invented what the text alone has; a copy has neither", () => {
    const source = "Did Ana Reyes not win 3 of 5 games?";
    assert.deepEqual(unfaithful(source, source), { lost: 0, invented: 0 });
    assert.deepEqual(unfaithful("How did Ana win 3 games in Rome?", source), { lost: 3, invented: 1 });
    assert.deepEqual(unfaithful("Did ana reyes not win 3 of 5?", source), { lost: 0, invented: 0 });
    assert.deepEqual(unfaithful("Is it not safe after 10?", "Is it safe?"), { lost: 0, invented: 2 });
  });
});
