import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutStrayEnd } from "../../src/model/tail.js";

const [DOT, MARK] = [1, 2];
const kept = (line: number[], source: number[] = []) => withoutStrayEnd([...line.keys()], line, source, new Set([DOT, MARK])).map((i) => line[i]);

describe("stray ends", () => {
  it("drops one or two tokens after the last mark", () => {
    assert.deepEqual(kept([50, 51, MARK, 52]), [50, 51, MARK]);
    assert.deepEqual(kept([50, 51, DOT, 52, 53]), [50, 51, DOT]);
  });

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
    assert.deepEqual(withoutStrayEnd([0, 2, 4], line, [], new Set([MARK])), [0, 2]);
  });
});
