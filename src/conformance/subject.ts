import type * as ort from "onnxruntime-node";
import { type Condition, projectStates } from "../conditioning/condition.js";
import { type ConformanceCard, readConformanceBundle } from "../model/bundle.js";
import { noiseSchedule, type NoiseSchedule } from "../model/schedule.js";
import { floats, floatsOf, integers, openSession } from "../model/session.js";
import type { Recorded, RecordedTensor } from "./safetensors.js";

/** What is checked: the graphs that an import wrote, in the server's own sessions. */
export interface Subject {
  card: ConformanceCard;
  schedule: NoiseSchedule;
  normaliser: ort.InferenceSession;
  condition: ort.InferenceSession;
  denoiser: ort.InferenceSession;
  decoder: ort.InferenceSession;
}

/** A recorded file that lacks what an item needs; the message names it. */
export class VectorsError extends Error {}

/** Loads a bundle made by `import` without an encoder. BundleError when it is another. */
export async function loadSubject(folder: string, threads: number): Promise<Subject> {
  const { card, paths } = await readConformanceBundle(folder);
  return {
    card,
    schedule: noiseSchedule(card.schedule.name, card.schedule.d),
    normaliser: await openSession(paths.normaliser, threads),
    condition: await openSession(paths.condition, threads),
    denoiser: await openSession(paths.denoiser, threads),
    decoder: await openSession(paths.decoder, threads),
  };
}

/** A recorded tensor by name, of as many dimensions as are needed. @throws VectorsError */
export function need(vectors: Recorded, name: string, dimensions: number): RecordedTensor {
  const found = vectors.get(name);
  if (!found) throw new VectorsError(`vectors.safetensors: ${name} is not recorded`);
  if (found.dims.length !== dimensions) throw new VectorsError(`vectors.safetensors: ${name} has ${found.dims.length} dimensions, not ${dimensions}`);
  return found;
}

/** Parts of a tensor along its first dimension. */
export function parts({ dims, data }: RecordedTensor): Float32Array[] {
  const size = data.length / dims[0]!;
  return Array.from({ length: dims[0]! }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

/**
 * The conditions of recorded source states [rows, length, hidden] with their mask [rows, length], padded to `width` as
 * the server pads a null condition: by positions that are masked.
 */
export async function conditionsOf(subject: Subject, states: RecordedTensor, mask: RecordedTensor, width: number): Promise<Condition[]> {
  const [rows, length, hidden] = states.dims as [number, number, number];
  if (length > width) throw new VectorsError(`vectors.safetensors: a null condition of ${length} positions is longer than its source of ${width}`);
  const padded = new Float32Array(rows * width * hidden);
  const attended = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    padded.set(states.data.subarray(row * length * hidden, (row + 1) * length * hidden), row * width * hidden);
    attended.set(mask.data.subarray(row * length, (row + 1) * length), row * width);
  }
  return projectStates(subject.condition, subject.card.model, floats(padded, rows, width, hidden), attended);
}

/** Encoder states [rows, length, hidden] of ids [rows, length] -> normalised latents, special tokens overwritten. */
export async function normalise(subject: Subject, hidden: RecordedTensor, ids: RecordedTensor): Promise<Float32Array> {
  return floatsOf(await subject.normaliser.run({ hidden: floats(hidden.data, ...hidden.dims), ids: integers([...ids.data], ...ids.dims) }), "states");
}
