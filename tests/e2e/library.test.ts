import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
// By the name a user imports.
import { BundleError, createSampler, TdiError, type Sampler, type StepEvent } from "text-diffusion-inference";
import { projectPath } from "../../src/project.js";
import { tdi } from "../fixtures/cli.js";
import { QUESTIONS } from "./texts.js";

describe("the sampler as a library", () => {
  let sampler: Sampler;
  before(async () => {
    sampler = await createSampler(projectPath("models/qqp-paraphrase"));
  });

  test("one result for each text, the same for the same seed", async () => {
    const options = { seed: 5, steps: 3 };
    const both = await sampler.sample([QUESTIONS[0], QUESTIONS[1]], options);
    assert.deepEqual([both.results.length, both.used.seed, both.used.steps], [2, 5, 3]);
    const one = await sampler.sample(QUESTIONS[1], options);
    assert.equal(one.results[0]!.text, both.results[1]!.text);
    const drawn = await sampler.sample(QUESTIONS[1], { steps: 3 });
    assert.equal((await sampler.sample(QUESTIONS[1], { steps: 3, seed: drawn.used.seed })).results[0]!.text, drawn.results[0]!.text);
  });

  test("steps are told, and a run can be stopped between two of them", async () => {
    const events: StepEvent[] = [];
    await sampler.sample(QUESTIONS[0], { steps: 4, bestOf: 1, everySteps: 2, onStep: (event) => events.push(event) });
    assert.deepEqual(events.map(({ step }) => step), [2, 4]);
    const abort = new AbortController();
    const stopped = sampler.sample(QUESTIONS[0], { steps: 50, signal: abort.signal, onStep: () => abort.abort(new Error("enough")) });
    await assert.rejects(stopped, /enough/);
  });

  test("faults have the codes of the server", async () => {
    await assert.rejects(sampler.sample(Array(40).fill(QUESTIONS[0]).join(" ")), (error) => error instanceof TdiError && error.code === "text_too_long");
    await assert.rejects(createSampler(projectPath("models/nothing")), (error) => error instanceof BundleError && /bundle\.json/.test(error.message));
  });

  test("the command line loads the embedded bundle where there is no server", async () => {
    const { code, lines } = await tdi(["paraphrase", "--json", "--steps", "3", "--seed", "5", QUESTIONS[1]]);
    assert.equal(code, 0);
    const { results } = await sampler.sample(QUESTIONS[1], { seed: 5, steps: 3 });
    assert.equal(lines[0]!["text"], results[0]!.text);
    const { code: long, err } = await tdi(["paraphrase", Array(40).fill(QUESTIONS[0]).join(" ")]);
    assert.deepEqual([long, /text_too_long/.test(err)], [1, true]);
  });

  test("the example of docs/library.md runs as written", () => {
    const [, code] = /```js\n([^]*?)```/.exec(readFileSync(projectPath("docs/library.md"), "utf8"))!;
    const lines = execFileSync(process.execPath, ["--input-type=module", "-e", code!], { cwd: projectPath("."), encoding: "utf8" }).trim().split("\n");
    const { defaults } = sampler.summary;
    const last = lines.filter((line) => line.startsWith(`${defaults.steps} `)).length;
    // Both, and once more for each revision that changed one.
    assert.ok(last >= 2 && last <= 2 * (1 + defaults.revisions), `${last}`);
    assert.ok(lines.at(-1)!.length > 0);
  });
});
