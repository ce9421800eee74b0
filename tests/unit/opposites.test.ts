import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { areOpposites } from "../../src/model/opposites.js";

describe("opposites", () => {
  test("are such in either order, and nothing else is", () => {
    for (const [one, other] of [["before", "after"], ["girls", "boys"], ["required", "allowed"], ["their", "your"]] as const) assert.ok(areOpposites(one, other) && areOpposites(other, one), `${one}, ${other}`);
    for (const [one, other] of [["before", "before"], ["best", "good"], ["before", "with"], ["before after", ""], ["", ""]] as const) assert.ok(!areOpposites(one, other), `${one}, ${other}`);
  });
});
