import { Conditioner } from "../conditioning/condition.js";
import { type BatchRow, DenoiserBatch } from "./batch.js";
import type { Bundle } from "./bundle.js";
import { decodeRows } from "./decoder.js";
import { CPU, type Device } from "./device.js";
import { gridNamed, times } from "./grid.js";
import { noiseSchedule } from "./schedule.js";
import { openSession } from "./session.js";
import { solverSteps } from "./solver.js";

/** Rows of the trial call: a device that is worth having is so with a few. */
const ROWS = 8;
/** Timed calls after the first, which compiles kernels; the fastest counts. */
const CALLS = 3;
const WIDTH = 16;

export interface Agreement {
  /** Root mean square of the difference between both predictions, over that of the CPU's. */
  difference: number;
  /** Milliseconds of one denoising step of a few rows. */
  stepMs: number;
  cpuStepMs: number;
}

/** Runs every graph of a bundle on a device and on the CPU, from the same tokens and noise. @throws DeviceError */
export async function compareWithCpu(bundle: Bundle, device: Device, threads: number): Promise<Agreement> {
  const there = await oneStep(bundle, device, threads);
  const here = await oneStep(bundle, CPU, threads);
  const square = (values: Iterable<number>) => Array.from(values).reduce((sum, value) => sum + value * value, 0);
  const difference = Math.sqrt(square(here.x0.map((value, i) => value - there.x0[i]!)) / square(here.x0));
  return { difference, stepMs: there.ms, cpuStepMs: here.ms };
}

async function oneStep({ card, paths }: Bundle, device: Device, threads: number): Promise<{ x0: Float32Array; ms: number }> {
  const { tokens, model, schedule, limits, defaults } = card;
  const open = (role: "encoder" | "condition" | "denoiser" | "decoder") => openSession(paths[role]!, threads, device);
  const conditioner = new Conditioner(await open("encoder"), await open("condition"), { hidden: model.hidden, pad: tokens.pad });
  const [condition] = await conditioner.encode([[tokens.cls, ...new Array<number>(WIDTH - 2).fill(tokens.unk), tokens.sep]], WIDTH);
  const noise = noiseSchedule(schedule.name, schedule.d);
  const plan = solverSteps("ddim", times(gridNamed(defaults.grid.name, defaults.grid), CALLS + 1, noise), noise, model.precondition);
  const canvas = Math.min(...limits.canvases);
  const batch = new DenoiserBatch({ step: await open("denoiser") }, model, canvas, WIDTH, condition!);
  const rows = Array.from({ length: ROWS }, (_, candidate): BatchRow => ({ condition: condition!, seed: 0, candidate, plan, guidance: 0, done: 0 }));
  batch.sync(rows);
  await batch.advance(1);
  const x0 = batch.prediction(rows[0]!);
  await decodeRows(await open("decoder"), [x0], [condition!], canvas, model.hidden, { ...tokens, marks: new Set<number>() });
  let ms = Infinity;
  for (let call = 0; call < CALLS; call += 1) {
    const began = performance.now();
    await batch.advance(1);
    ms = Math.min(ms, performance.now() - began);
  }
  return { x0, ms };
}
