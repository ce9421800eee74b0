import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type * as ort from "onnxruntime-node";
import { type Condition, Conditioner } from "../../src/conditioning/condition.js";
import { Tokenizer } from "../../src/conditioning/tokenizer.js";
import { type Bundle, readBundles } from "../../src/model/bundle.js";
import { decodeRows } from "../../src/model/decoder.js";
import { times } from "../../src/model/grid.js";
import type { RunControl } from "../../src/model/pipeline-contract.js";
import { type Row, sampleRows } from "../../src/model/sampler.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { openSession } from "../../src/model/session.js";
import { solverSteps } from "../../src/model/solver.js";
import { projectPath } from "../../src/project.js";
import { QUESTIONS } from "./texts.js";

const CANVAS = 16;
const WIDTH = 32;
const quiet: RunControl = { signal: new AbortController().signal, breathe: async () => undefined };

/** On the shipped graphs: whatever shares a row's batch must not change it. */
describe("rows of a batch are independent", () => {
  let bundle: Bundle;
  let conditions: Condition[];
  let outlier: Condition;
  let empty: Condition;
  let denoiser: ort.InferenceSession;
  let decoder: ort.InferenceSession;

  before(async () => {
    bundle = (await readBundles(projectPath("models"))).find(({ card }) => card.task === "paraphrase")!;
    const { card, paths } = bundle;
    const tokenizer = await Tokenizer.load(paths.tokenizer!, card.tokens);
    const conditioner = await Conditioner.load({ encoder: paths.encoder!, condition: paths.condition! }, { ...card.model, pad: card.tokens.pad }, 1);
    conditions = await conditioner.encode(QUESTIONS.slice(0, 3).map((text) => tokenizer.encode(text).ids), WIDTH);
    [empty] = (await conditioner.encode([[card.tokens.cls, card.tokens.sep]], WIDTH)) as [Condition];
    outlier = { ...conditions[0]!, keys: conditions[0]!.keys.map((v) => v * 50), values: conditions[0]!.values.map((v) => v * 50), states: conditions[0]!.states.map((v) => v * 50) };
    denoiser = await openSession(paths.denoiser!, 1);
    decoder = await openSession(paths.decoder!, 1);
  });

  async function run(rows: Row[], guidance: number, solver: "ddim" | "ancestral") {
    const { card } = bundle;
    const schedule = noiseSchedule(card.schedule.name, card.schedule.d);
    const steps = solverSteps(solver, times(card.defaults.grid, 5, schedule), schedule, card.model.precondition);
    const latents = await sampleRows(denoiser, card.model, rows, CANVAS, steps, guidance, empty, quiet);
    return { latents, decoded: await decodeRows(decoder, latents, rows.map((row) => row.condition), CANVAS, card.model.hidden, card.tokens) };
  }

  for (const [solver, guidance] of [["ddim", 0], ["ancestral", 0.5]] as const) {
    test(`${solver}, guidance ${guidance}: alone, among others, beside an outlier, at another place`, async () => {
      const row = (condition: Condition, candidate = 0): Row => ({ condition, seed: 3, candidate });
      const mine = row(conditions[1]!);
      const alone = await run([mine], guidance, solver);
      const among = await run([row(conditions[0]!), mine, row(conditions[2]!, 4)], guidance, solver);
      const beside = await run([row(outlier), row(outlier, 1), row(outlier, 2), mine], guidance, solver);
      for (const [other, place] of [[among, 1], [beside, 3]] as const) {
        assert.deepEqual(other.decoded[place]!.ids, alone.decoded[0]!.ids);
        const mineThere = other.latents[place]!;
        const apart = alone.latents[0]!.reduce((most, value, i) => Math.max(most, Math.abs(value - mineThere[i]!)), 0);
        // fp32 products may be added in another order for another number of rows: last bits, not an outlier's scale.
        assert.ok(apart < 1e-3, `latents differ by ${apart}`);
      }
      assert.notDeepEqual(among.latents[0], alone.latents[0]);
    });
  }

  test("another source, seed or candidate gives other latents", async () => {
    const base = await run([{ condition: conditions[0]!, seed: 1, candidate: 0 }], 0, "ddim");
    for (const other of [
      { condition: conditions[1]!, seed: 1, candidate: 0 },
      { condition: conditions[0]!, seed: 2, candidate: 0 },
      { condition: conditions[0]!, seed: 1, candidate: 1 },
    ]) {
      assert.notDeepEqual((await run([other], 0, "ddim")).latents[0], base.latents[0]);
    }
  });
});
