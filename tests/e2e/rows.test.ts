import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { SOLVERS, type SolverName, type StepEvent } from "../../src/engine/contract.js";
import type { PartRequest, Pipeline } from "../../src/model/pipeline-contract.js";
import { loadPipelines } from "../../src/model/load.js";
import { projectPath } from "../../src/project.js";
import { generate } from "./generate.js";
import { QUESTIONS, SLIPPING } from "./texts.js";

/** On the shipped graphs: whatever shares a call must not change a text. */
describe("texts are independent", () => {
  let pipeline: Pipeline;

  before(async () => {
    pipeline = (await loadPipelines({ modelsDir: projectPath("models"), threads: 1 })).get("paraphrase")!;
  });

  function part(text: string, solver: SolverName, guidance: number, steps = 5, seed = 3): PartRequest {
    return { task: "paraphrase", text, index: 0, options: { numCandidates: 2, bestOf: 2, seed, steps, solver, guidance, truncation: "end", canvas: 16 } };
  }

  test("the last event of a row reads as the result", async () => {
    const events: StepEvent[] = [];
    // One candidate: of several, near-duplicates are merged into one spelling.
    const parts = QUESTIONS.map((text, index) => {
      const mine = part(text, "ddim", 0.5);
      return { ...mine, options: { ...mine.options, numCandidates: 1, bestOf: 1 }, index, everySteps: 3 };
    });
    const results = await generate(pipeline, parts, { maxRows: 8 }, (event) => events.push(event));
    assert.equal(events.length, QUESTIONS.length * 2);
    for (const { index, step, text, tokens } of events) {
      assert.ok(step === 3 || step === 5);
      assert.ok(tokens.every(({ confidence }) => confidence > 0 && confidence <= 1));
      if (step === 5) assert.equal(text, results[index]!.text);
    }
  });

  test("revised: alone, in full batches and with others that are revised", async () => {
    const mine = SLIPPING.map((text) => part(text, "renoise", 0, 4)).map((each) => ({ ...each, options: { ...each.options, numCandidates: 1, bestOf: 4, ranking: "quality" as const, revisions: 2 } }));
    const alone = [];
    for (const each of mine) alone.push(...(await generate(pipeline, [each], { maxRows: 1 })));
    assert.ok(alone.some(({ usage }) => usage.revisions > 0), "none was revised");
    assert.deepEqual(await generate(pipeline, mine, { maxRows: 16 }), alone);
    assert.deepEqual(await generate(pipeline, [part(QUESTIONS[0], "ancestral", 0.7, 3), ...mine.toReversed()], { maxRows: 5 }).then((results) => results.slice(1).reverse()), alone);
  });

  for (const [i, solver] of SOLVERS.entries()) {
    const guidance = i % 2 === 0 ? 0 : 0.5;
    test(`${solver}, guidance ${guidance}: alone, in full batches with any solver, guidance and step count, several steps a call`, async () => {
      const mine = part(QUESTIONS[1], solver, guidance);
      const [alone] = await generate(pipeline, [mine], { maxRows: 1 });
      const others = [part(QUESTIONS[0], "ancestral", 0.7, 3), part("!!!!!!! ???", "ddim", 0, 9), part("zx ".repeat(12), solver, guidance), part("a", "ddim", 2, 4)];
      for (const [maxRows, stepsPerCall] of [[3, 3], [16, 1]] as const) {
        const results = await generate(pipeline, [...others.slice(0, 2), mine, ...others.slice(2)], { maxRows, stepsPerCall });
        assert.deepEqual(results[2], alone, `${maxRows} rows, ${stepsPerCall} steps a call`);
      }
      assert.notDeepEqual((await generate(pipeline, [{ ...mine, options: { ...mine.options, seed: 4 } }], { maxRows: 1 }))[0], alone);
    });
  }
});
