import type * as ort from "onnxruntime-node";
import type { Condition } from "../conditioning/condition.js";
import { floats, floatsOf } from "./session.js";

/** Tokens read from one row's latents, up to the first end token. */
export interface Decoded {
  ids: number[];
  /** One id per position of the canvas: what was read up to the end token, padding after it. */
  line: number[];
  /** Probability that the decoder gives each of `ids`. */
  confidences: number[];
  /** Mean probability that the decoder gives its tokens, the end token included; 0..1. */
  score: number;
  /** False when no end token was generated: the text fills its canvas. */
  ended: boolean;
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Reads denoised latents [canvas, hidden] of rows of one canvas and one source width into tokens. */
export async function decodeRows(
  decoder: ort.InferenceSession,
  latents: readonly Float32Array[],
  conditions: readonly Condition[],
  canvas: number,
  hidden: number,
  tokens: { sep: number; pad: number; special: readonly number[] },
): Promise<Decoded[]> {
  const rows = latents.length;
  const width = conditions[0]!.width;
  const outputs = await decoder.run({
    x: floats(concat(latents), rows, canvas, hidden),
    states: floats(concat(conditions.map((c) => c.states)), rows, width, hidden),
    bias: floats(concat(conditions.map((c) => c.bias)), rows, width),
  });
  const ids = outputs["ids"]!.data as BigInt64Array;
  const probability = floatsOf(outputs, "probability");
  const special = new Set(tokens.special);
  return latents.map((_, row) => {
    const line = Array.from(ids.subarray(row * canvas, (row + 1) * canvas), Number);
    const end = line.indexOf(tokens.sep);
    let words = line.map((id, i) => ({ id, i })).filter(({ id, i }) => (end < 0 || i < end) && !special.has(id));
    // An end token before any word says nothing of what follows it: an answer beats an empty one.
    if (words.length === 0) words = line.map((id, i) => ({ id, i })).filter(({ id }) => !special.has(id));
    const places = words.map(({ i }) => i).concat(end >= 0 ? [end] : []);
    const sum = places.reduce((total, i) => total + probability[row * canvas + i]!, 0);
    const confidences = words.map(({ i }) => probability[row * canvas + i]!);
    const padded = line.map((id, i) => (end >= 0 && i > end ? tokens.pad : id));
    return { ids: words.map(({ id }) => id), line: padded, confidences, score: places.length > 0 ? sum / places.length : 0, ended: end >= 0 };
  });
}
