import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type * as ort from "onnxruntime-node";
import { type Condition, Conditioner } from "../../src/conditioning/condition.js";
import { Tokenizer } from "../../src/conditioning/tokenizer.js";
import { SOLVERS, type SolverName } from "../../src/engine/contract.js";
import { type BatchRow, DenoiserBatch } from "../../src/model/batch.js";
import { type BundleCard, readBundle } from "../../src/model/bundle.js";
import { SERVING_CPU } from "../../src/model/device.js";
import { times } from "../../src/model/grid.js";
import { ledAway } from "../../src/model/novelty.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { openSession } from "../../src/model/session.js";
import { solverSteps } from "../../src/model/solver.js";
import { projectPath } from "../../src/project.js";
import { QUESTIONS } from "./texts.js";

const CANVAS = 16;
const WIDTH = 32;
const STEPS = 4;

/** On the shipped graphs, for every solver: a row's latents keep their bits beside an outlier and at any place in the batch. */
describe("latents beside an outlier and at every place", () => {
  let card: BundleCard;
  let step: ort.InferenceSession;
  let sources: Condition[];
  let nothing: Condition;

  before(async () => {
    const bundle = await readBundle(projectPath("models/qqp-paraphrase"));
    card = bundle.card;
    step = await openSession(bundle.paths.denoiser!, 1, SERVING_CPU);
    const tokenizer = await Tokenizer.load(bundle.paths.tokenizer!, card.tokens);
    const conditioner = new Conditioner(await openSession(bundle.paths.encoder!, 1, SERVING_CPU), await openSession(bundle.paths.condition!, 1, SERVING_CPU), { hidden: card.model.hidden, pad: card.tokens.pad });
    sources = await conditioner.encode(QUESTIONS.map((text) => tokenizer.encode(text).ids), WIDTH);
    [nothing] = (await conditioner.encode([[card.tokens.cls, card.tokens.sep]], WIDTH)) as [Condition];
  });
  after(() => step.release());

  function row(solver: SolverName, source: number, seed: number, guidance: number, novelty = 0.2): BatchRow {
    const schedule = noiseSchedule(card.schedule.name, card.schedule.d);
    const plan = ledAway(solverSteps(solver, times(card.defaults.grid, STEPS, schedule), schedule, card.model.precondition), novelty);
    return { condition: sources[source]!, seed, candidate: 0, plan, guidance, done: 0 };
  }

  /** A row whose source and noise are a thousand times what any text's are: an activation scale shared by a call would show it. */
  function outlier(solver: SolverName): BatchRow {
    const far = (data: Float32Array) => data.map((value) => 1000 * value);
    const { keys, values, ...rest } = sources[3]!;
    const noise = new Float32Array(CANVAS * card.model.hidden).map((_, i) => 1000 * Math.sin(i));
    return { ...row(solver, 3, 8, 0), condition: { ...rest, keys: far(keys), values: far(values) }, recorded: { noise: () => noise } };
  }

  /** Latents of `wanted` after all steps in the company of `rows`, it among them. */
  async function run(rows: readonly BatchRow[], wanted: BatchRow): Promise<Float32Array> {
    const batch = new DenoiserBatch({ step }, card.model, CANVAS, WIDTH, nothing);
    batch.sync(rows);
    for (let i = 0; i < STEPS; i += 1) await batch.advance(1);
    return batch.state(wanted);
  }

  for (const [i, solver] of SOLVERS.entries()) {
    const guidance = i % 2 === 0 ? 0 : 0.5;
    test(`${solver}, guidance ${guidance}`, async () => {
      const mine = () => row(solver, 1, 3, guidance);
      const first = mine();
      const alone = await run([first], first);
      assert.ok(alone.every(Number.isFinite) && alone.some((value) => Math.abs(value) > 0.1));
      for (let place = 0; place < 4; place += 1) {
        const again = mine();
        const mates = [outlier(solver), row(solver, 0, 4, guidance), row(solver, 2, 5, 0, 0)];
        assert.deepEqual(await run([...mates.slice(0, place), again, ...mates.slice(place)], again), alone, `place ${place}`);
      }
      const other = row(solver, 1, 4, guidance);
      assert.notDeepEqual(await run([other], other), alone);
      const kept = row(solver, 1, 3, guidance, 0);
      assert.notDeepEqual(await run([kept], kept), alone);
    });
  }
});
