import type * as ort from "onnxruntime-node";
import type { Condition } from "../conditioning/condition.js";
import { type BatchRow, DenoiserBatch, type DenoiserShape, type Row } from "./batch.js";
import type { SolverStep } from "./solver.js";

export type { Row } from "./batch.js";
export type SamplerShape = DenoiserShape;

/** What a caller learns and decides between two steps. */
export interface SamplerControl {
  /** Checked before each step. */
  signal: AbortSignal;
  /** Awaited after each step. */
  breathe(): Promise<void>;
}

/** Told after each step: the rows' states and (guided) predictions, each [canvas, hidden]. */
export type StepObserver = (step: number, states: Float32Array[], predictions: Float32Array[]) => void;

/**
 * Denoises rows of one canvas and one source width together, from noise to the last mean [canvas, hidden] of each: without
 * a scheduler, as the conformance check does. Rejects with the signal's reason when it aborts between two steps.
 */
export async function sampleRows(
  denoiser: ort.InferenceSession,
  shape: SamplerShape,
  rows: readonly Row[],
  canvas: number,
  steps: readonly SolverStep[],
  guidance: number,
  nullCondition: Condition,
  control: SamplerControl,
  observe?: StepObserver,
): Promise<Float32Array[]> {
  const batch = new DenoiserBatch({ step: denoiser }, shape, canvas, rows[0]!.condition.width, nullCondition);
  const members = rows.map((row): BatchRow => ({ ...row, plan: steps, guidance, done: 0 }));
  batch.sync(members);
  for (const step of steps.keys()) {
    control.signal.throwIfAborted();
    await batch.advance(1);
    observe?.(step, members.map((row) => batch.state(row)), members.map((row) => batch.prediction(row)));
    await control.breathe();
  }
  return members.map((row) => batch.state(row));
}
