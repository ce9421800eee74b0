import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { GenerateRequest, StepEvent } from "../../src/engine/contract.js";
import type { Pipeline, RunControl } from "../../src/model/pipeline-contract.js";
import { loadPipelines } from "../../src/model/pipeline.js";
import { projectPath } from "../../src/project.js";
import { QUESTIONS } from "./texts.js";

const quiet: RunControl = { signal: new AbortController().signal, breathe: async () => undefined };

/** On the shipped graphs: whatever shares a request must not change a text. */
describe("texts of a request are independent", () => {
  let pipeline: Pipeline;

  before(async () => {
    pipeline = (await loadPipelines({ modelsDir: projectPath("models"), threads: 1 })).get("paraphrase")!;
  });

  async function run(texts: string[], solver: "ddim" | "ancestral", guidance: number, seed = 3) {
    const options = { numCandidates: 2, seed, steps: 5, solver, guidance, truncation: "end", canvas: 16 } as const;
    return (await pipeline.generate({ task: "paraphrase", texts, options }, quiet)).results;
  }

  test("the last prediction that is reported reads as the result", async () => {
    const events: StepEvent[] = [];
    const options = { numCandidates: 2, seed: 3, steps: 5, solver: "ddim", guidance: 0.5, truncation: "end", canvas: 16 } as const;
    const request: GenerateRequest = { task: "paraphrase", texts: [...QUESTIONS], options, progress: { everySteps: 3 } };
    const { results } = await pipeline.generate(request, { ...quiet, onEvent: (event) => events.push(event) });
    assert.equal(events.length, QUESTIONS.length * 2 * 2);
    for (const { index, candidate, step, text, tokens } of events) {
      assert.ok(step === 3 || step === 5);
      assert.ok(tokens.every(({ confidence }) => confidence > 0 && confidence <= 1));
      if (step === 5) assert.ok(results[index]!.candidates.some((each) => each.text === text), `${index} ${candidate}: ${text}`);
    }
  });

  for (const [solver, guidance] of [["ddim", 0], ["ancestral", 0.5]] as const) {
    test(`${solver}, guidance ${guidance}: alone, among others, beside an odd one, at another place`, async () => {
      const mine = QUESTIONS[1];
      const [alone] = await run([mine], solver, guidance);
      assert.deepEqual((await run([QUESTIONS[0], mine, QUESTIONS[2]], solver, guidance))[1], alone);
      assert.deepEqual((await run(["zx ".repeat(12), "!!!!!!! ???", "a", mine], solver, guidance))[3], alone);
      assert.notDeepEqual((await run([mine], solver, guidance, 4))[0], alone);
    });
  }
});
