import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Condition, MASKED } from "../../src/conditioning/condition.js";
import { type BatchRow, DenoiserBatch } from "../../src/model/batch.js";
import { readBundles } from "../../src/model/bundle.js";
import { CPU, PRODUCTS } from "../../src/model/device.js";
import { times } from "../../src/model/grid.js";
import { gaussian } from "../../src/model/noise.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { openSession } from "../../src/model/session.js";
import { solverSteps } from "../../src/model/solver.js";
import { projectPath } from "../../src/project.js";

/** The shipped denoisers: latents are bit for bit what they are alone, whatever the number of rows and threads. */
describe("latents of the shipped bundles", async () => {
  for (const { card, paths } of await readBundles(projectPath("models"))) {
    const { hidden } = card.model;
    const session = await openSession(paths.denoiser!, 1);
    const keys = session.inputMetadata.find(({ name }) => name === "keys");
    // [rows, sets of keys, heads, source, hidden / heads]
    const layers = Number(keys?.isTensor ? keys.shape[1] : NaN);
    const canvas = Math.min(...card.limits.canvases);
    const schedule = noiseSchedule(card.schedule.name, card.schedule.d);
    const width = 32;

    /** A made-up source of `length` tokens, padded to a width. */
    function condition(seed: number, length: number, padded = width): Condition {
      const draw = (part: number, blocks: number) => {
        const out = new Float32Array(blocks * padded * hidden);
        const one = new Float32Array(width * hidden);
        for (let block = 0; block < blocks; block += 1) {
          gaussian(one, hidden, seed, part, block);
          // [blocks, heads, width, hidden / heads]: padding comes at the end of each head.
          const { heads } = card.model;
          const head = (width * hidden) / heads;
          for (let h = 0; h < heads; h += 1) out.set(one.subarray(h * head, (h + 1) * head), (block * heads + h) * padded * (hidden / heads));
        }
        return out;
      };
      const bias = Float32Array.from({ length: padded }, (_, i) => (i < length ? 0 : MASKED));
      return { width: padded, ids: [], states: new Float32Array(0), keys: draw(0, layers), values: draw(1, layers), bias };
    }

    function row(seed: number, guidance: number, steps: number, padded?: number): BatchRow {
      const plan = solverSteps(seed % 2 ? "ddim" : "ancestral", times(card.defaults.grid, steps, schedule), schedule, card.model.precondition);
      return { condition: condition(seed, 9 + seed, padded), seed, candidate: 0, plan, guidance, done: 0 };
    }

    for (const [products, threads] of PRODUCTS.flatMap((each) => [1, 2].map((count) => [each, count] as const))) {
      test(`${card.name}, products in ${products}, ${threads} threads: alone, with one, three and six mates; behind more padding but for rounding`, async () => {
        const step = await openSession(paths.denoiser!, threads, { ...CPU, products });
        const run = async (rows: BatchRow[], padded = width): Promise<Float32Array> => {
          const batch = new DenoiserBatch({ step }, card.model, canvas, padded, condition(99, 2, padded));
          batch.sync(rows);
          while (rows[0]!.done < rows[0]!.plan.length) await batch.advance(1);
          return batch.state(rows[0]!);
        };
        for (const guidance of [0, 0.5]) {
          const mine = (padded?: number) => row(1, guidance, 3, padded);
          const expected = await run([mine()]);
          for (const mates of [1, 3, 6]) {
            const others = Array.from({ length: mates }, (_, i) => row(2 + i, i % 2, 5));
            assert.deepEqual(await run([mine(), ...others]), expected, `${mates} mates, guidance ${guidance}`);
          }
          // More padding adds zeros to the softmax's sum, and so regroups it: no row ever gets another's width.
          const behind = await run([mine(64)], 64);
          const apart = behind.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
          assert.ok(apart < 1e-4, `padded to 64, guidance ${guidance}: ${apart} apart`);
          assert.notDeepEqual(await run([row(3, guidance, 3)]), expected);
        }
        await step.release();
      });
    }
  }
});
