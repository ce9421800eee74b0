import type * as ort from "onnxruntime-node";
import type { Condition } from "../conditioning/condition.js";
import { gaussian } from "./noise.js";
import type { RunControl } from "./pipeline-contract.js";
import { floats, floatsOf, integers } from "./session.js";
import type { SolverStep } from "./solver.js";

/** One row to denoise. */
export interface Row {
  condition: Condition;
  seed: number;
  candidate: number;
}

export interface SamplerShape {
  hidden: number;
  layers: number;
  heads: number;
}

/** Rows laid one after the other. */
function stack(parts: readonly Float32Array[]): Float32Array {
  const size = parts[0]!.length;
  const out = new Float32Array(size * parts.length);
  parts.forEach((part, i) => out.set(part, i * size));
  return out;
}

/**
 * Denoises a batch of rows of one canvas and one source width. With guidance every row has a twin on the null
 * condition, in the same call; the guided prediction drives both. Returns the last mean [canvas, hidden] of each row.
 * `onPrediction` is awaited after each step with every row's prediction of x0 [canvas, hidden], at the end with its last mean.
 * Rejects with the signal's reason when it aborts between two steps.
 */
export async function sampleRows(
  denoiser: ort.InferenceSession,
  shape: SamplerShape,
  rows: readonly Row[],
  canvas: number,
  steps: readonly SolverStep[],
  guidance: number,
  nullCondition: Condition,
  control: RunControl,
  onPrediction?: (stepsDone: number, t: number, x0: readonly Float32Array[]) => Promise<void>,
): Promise<Float32Array[]> {
  const { hidden, layers, heads } = shape;
  const guided = guidance > 0;
  const twins = guided ? 2 : 1;
  const count = rows.length * twins;
  const width = rows[0]!.condition.width;
  const size = canvas * hidden;
  const conditions = [...rows.map((row) => row.condition), ...(guided ? rows.map(() => nullCondition) : [])];
  const deep = [count, layers, heads, width, hidden / heads];
  const positive = Array.from({ length: count }, (_, i) => i % rows.length);
  const fixed = {
    keys: floats(stack(conditions.map((c) => c.keys)), ...deep),
    values: floats(stack(conditions.map((c) => c.values)), ...deep),
    bias: floats(stack(conditions.map((c) => c.bias)), count, width),
    positive: integers(positive, count),
    negative: integers(positive.map((i) => (guided ? i + rows.length : i)), count),
    guidance: floats(new Float32Array(count).fill(guidance), count),
  };
  const quiet = floats(new Float32Array(count * size), count, canvas, hidden);

  /** Noise of every row for one step; a twin moves with its row. */
  function noise(step: number): ort.Tensor {
    const data = new Float32Array(count * size);
    rows.forEach((row, i) => {
      const part = data.subarray(i * size, (i + 1) * size);
      gaussian(part, hidden, row.seed, row.candidate, step);
      if (guided) data.copyWithin((i + rows.length) * size, i * size, (i + 1) * size);
    });
    return floats(data, count, canvas, hidden);
  }

  let x = noise(0);
  let previous: ort.Tensor = quiet;
  for (const [i, step] of steps.entries()) {
    control.signal.throwIfAborted();
    const began = performance.now();
    const coefficients = new Float32Array(count * 6);
    for (let row = 0; row < count; row++) {
      coefficients.set([step.cx, step.c0, step.cPrevious, step.cNoise, step.cSkip, step.cOut], row * 6);
    }
    const outputs: ort.InferenceSession.ReturnType = await denoiser.run({
      ...fixed,
      x,
      previous,
      t: floats(new Float32Array(count).fill(step.t), count),
      coefficients: floats(coefficients, count, 6),
      noise: step.cNoise === 0 ? quiet : noise(i + 1),
    });
    x = outputs["x_next"]!;
    previous = outputs["x0"]!;
    control.onStep?.(rows.length, (performance.now() - began) / 1000);
    if (onPrediction) {
      const read = floatsOf(outputs, i === steps.length - 1 ? "x_next" : "x0");
      await onPrediction(i + 1, step.t, rows.map((_, row) => read.subarray(row * size, (row + 1) * size)));
    }
    await control.breathe();
  }
  const last = floatsOf({ x }, "x");
  return rows.map((_, i) => last.slice(i * size, (i + 1) * size));
}
