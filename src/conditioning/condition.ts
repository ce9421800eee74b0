import type * as ort from "onnxruntime-node";
import { floats, floatsOf, integers } from "../model/session.js";

/** A masked position's additive attention bias. */
export const MASKED = -1e9;

/** What the denoiser and the decoder attend to, for one source padded to `width` positions. */
export interface Condition {
  width: number;
  /** Token ids of the source; none where only its states are known. */
  ids: readonly number[];
  /** [width, hidden] normalised latents. */
  states: Float32Array;
  /** [attentions, heads, width, hidden/heads] of every attention to the source, made once a source. */
  keys: Float32Array;
  values: Float32Array;
  /** [width] additive: 0 attend, MASKED not. */
  bias: Float32Array;
}

export interface ConditionShape {
  hidden: number;
  pad: number;
}

/** Source text ids -> encoder states and cross-attention keys and values. */
export class Conditioner {
  constructor(
    private readonly encoder: ort.InferenceSession,
    private readonly projection: ort.InferenceSession,
    private readonly shape: ConditionShape,
  ) {}

  /** Normalised latents [length, hidden] of texts of one length in tokens, padding among them, in one call. */
  async latents(texts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const [rows, length] = [texts.length, texts[0]!.length];
    const ids = texts.flat();
    const mask = Float32Array.from(ids, (id) => (id === this.shape.pad ? 0 : 1));
    const states = floatsOf(await this.encoder.run({ ids: integers(ids, rows, length), mask: floats(mask, rows, length) }), "states");
    const size = length * this.shape.hidden;
    return texts.map((_, row) => states.subarray(row * size, (row + 1) * size));
  }

  /** One condition per source; all are padded to `width`, which must hold the longest. */
  async encode(sources: readonly number[][], width: number): Promise<Condition[]> {
    const rows = sources.length;
    const { pad } = this.shape;
    const ids = sources.flatMap((source) => Array.from({ length: width }, (_, i) => source[i] ?? pad));
    const mask = Float32Array.from(ids, (id) => (id === pad ? 0 : 1));
    const { states } = await this.encoder.run({ ids: integers(ids, rows, width), mask: floats(mask, rows, width) });
    const conditions = await projectStates(this.projection, this.shape, states!, mask);
    return conditions.map((condition, row) => ({ ...condition, ids: sources[row]! }));
  }
}

/**
 * Conditions from encoder states [rows, width, hidden] and their mask [rows * width], 1 = attend.
 * `projection` is the bundle's condition graph.
 */
export async function projectStates(
  projection: ort.InferenceSession,
  { hidden }: Pick<ConditionShape, "hidden">,
  states: ort.Tensor,
  mask: Float32Array,
): Promise<Condition[]> {
  const [rows, width] = states.dims as [number, number, number];
  const projected = await projection.run({ states });
  const all = states.data as Float32Array;
  const keys = floatsOf(projected, "keys");
  const values = floatsOf(projected, "values");
  const size = width * hidden;
  const deep = keys.length / rows;
  return Array.from({ length: rows }, (_, row) => ({
    width,
    ids: [],
    states: all.slice(row * size, (row + 1) * size),
    keys: keys.slice(row * deep, (row + 1) * deep),
    values: values.slice(row * deep, (row + 1) * deep),
    bias: mask.slice(row * width, (row + 1) * width).map((m) => (m === 1 ? 0 : MASKED)),
  }));
}
