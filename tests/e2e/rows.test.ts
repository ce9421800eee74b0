import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { SOLVERS, type SolverName } from "../../src/engine/contract.js";
import type { Pipeline, RunControl } from "../../src/model/pipeline-contract.js";
import { loadPipelines } from "../../src/model/pipeline.js";
import { projectPath } from "../../src/project.js";
import { QUESTIONS } from "./texts.js";

/** What a row comes out as: its latents bit for bit, and what the reply says of its text. */
interface Outcome {
  latents: Map<number, Float32Array>;
  result: unknown;
}

/** On the shipped graphs: whatever shares a request must not change a row. */
describe("rows of a request are independent", () => {
  let pipeline: Pipeline;

  before(async () => {
    pipeline = (await loadPipelines({ modelsDir: projectPath("models"), threads: 1 })).get("paraphrase")!;
  });

  /** Outcomes by text, of two candidates each. */
  async function run(texts: readonly string[], solver: SolverName, guidance: number, seed = 3): Promise<Outcome[]> {
    const found = texts.map(() => new Map<number, Float32Array>());
    const control: RunControl = {
      signal: new AbortController().signal,
      breathe: async () => undefined,
      onLatents: (text, candidate, latents) => found[text]!.set(candidate, latents.slice()),
    };
    const options = { numCandidates: 2, seed, steps: 4, solver, guidance, truncation: "end", canvas: 16 } as const;
    const { results } = await pipeline.generate({ task: "paraphrase", texts: [...texts], options }, control);
    return results.map((result, i) => ({ latents: found[i]!, result }));
  }

  const MINE = QUESTIONS[1];
  /** Latents and texts far from any question's. */
  const OUTLIERS = ["zx ".repeat(12), "!!!!!!! ???", "a"];

  for (const [i, solver] of SOLVERS.entries()) {
    const guidance = i % 2 === 0 ? 0 : 0.5;
    test(`${solver}, guidance ${guidance}: alone, among others, beside outliers, at another place`, async () => {
      const [alone] = await run([MINE], solver, guidance);
      assert.equal(alone!.latents.size, 2);
      assert.ok([...alone!.latents.values()].every((latents) => latents.every(Number.isFinite)));
      assert.deepEqual((await run([QUESTIONS[0], MINE, QUESTIONS[2]], solver, guidance))[1], alone);
      assert.deepEqual((await run([...OUTLIERS, MINE], solver, guidance))[3], alone);
      assert.notDeepEqual((await run([MINE], solver, guidance, 4))[0]!.latents, alone!.latents);
      assert.notDeepEqual(alone!.latents.get(0), alone!.latents.get(1));
    });
  }
});
