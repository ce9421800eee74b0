import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { completeOptions } from "../../src/engine/options.js";
import { samplesOf } from "../../src/engine/samples.js";
import { checkAgainstBundle } from "../../src/routes/schema.js";
import { FakePipeline } from "../fixtures/fake-pipeline.js";

const { summary } = new FakePipeline("paraphrase");
const bundle = { ...summary, defaults: { ...summary.defaults, best_of: 4 } };

describe("samples of a text", () => {
  test("the bundle's default where none are asked for, and never fewer than the candidates", () => {
    assert.equal(samplesOf({ numCandidates: 1 }, bundle), 4);
    assert.equal(samplesOf({ numCandidates: 6 }, bundle), 6);
    assert.equal(samplesOf({ numCandidates: 1, bestOf: 1 }, bundle), 1);
  });

  test("a server that allows fewer lowers the default", () => {
    assert.equal(samplesOf({ numCandidates: 1 }, bundle, 2), 2);
    assert.equal(completeOptions({ numCandidates: 1, truncation: "error", canvas: "auto" }, bundle, 1).bestOf, 1);
  });

  test("the bundle's default counts in what a request may cost, and the fault names what made it so many", () => {
    const fieldAtFault = (texts: number, options: { numCandidates: number; bestOf?: number }) => {
      const request = { single: false, texts: Array<string>(texts).fill("a"), streamEvery: undefined, options: { truncation: "error", canvas: "auto", ...options } as const };
      try {
        checkAgainstBundle(request, bundle, { maxTextCharacters: 10, maxTexts: 99, maxCandidates: 16, maxRows: 8, maxRowSteps: 999 });
        return undefined;
      } catch (error) {
        return (error as { faults: { field: string }[] }).faults.map(({ field }) => field).join();
      }
    };
    assert.equal(fieldAtFault(2, { numCandidates: 1 }), undefined);
    assert.equal(fieldAtFault(3, { numCandidates: 1 }), "text");
    assert.equal(fieldAtFault(3, { numCandidates: 1, bestOf: 2 }), undefined);
    assert.equal(fieldAtFault(2, { numCandidates: 5 }), "num_candidates");
    assert.equal(fieldAtFault(3, { numCandidates: 2, bestOf: 3 }), "best_of");
  });
});
