import type * as ort from "onnxruntime-node";
import type { Condition } from "../conditioning/condition.js";
import { withoutRepeats } from "./repeats.js";
import { floats, floatsOf, longs } from "./session.js";
import { endOf, withoutStrayEnd } from "./tail.js";

/** Tokens read from one row's latents, up to the first end token. */
export interface Decoded {
  ids: number[];
  /** One id per position of the canvas: what was read up to the end token, repeats merged and a stray end left out, then padding. */
  line: number[];
  /** Probability that the decoder gives each of `ids`. */
  confidences: number[];
  /** Mean probability that the decoder gives its tokens, the end token included; 0..1. */
  score: number;
  /** False when neither an end token nor padding follows the words: the text fills its canvas. */
  ended: boolean;
  /** True when the mark at its end is its source's, which it lacked (tail.ts). */
  markAdded?: boolean;
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

/** [rows, width] token ids of the sources, padded. */
function sourceIds(conditions: readonly Condition[], width: number, pad: number): BigInt64Array {
  const out = new BigInt64Array(conditions.length * width).fill(BigInt(pad));
  conditions.forEach(({ ids }, row) => ids.forEach((id, place) => (out[row * width + place] = BigInt(id))));
  return out;
}

/** The sum of finite numbers of 32 bits is finite in 64; one that is not makes the sum not. */
function allFinite(values: Float32Array): boolean {
  let sum = 0;
  for (const value of values) sum += value;
  return Number.isFinite(sum);
}

/**
 * Reads denoised latents [canvas, hidden] of rows of one canvas and one source width into tokens; repeats are merged,
 * and a stray end is left out.
 * @throws Error when latents are not finite: the decoder would read some token or other, and a text that means nothing passes for one
 */
export async function decodeRows(
  decoder: ort.InferenceSession,
  latents: readonly Float32Array[],
  conditions: readonly Condition[],
  canvas: number,
  hidden: number,
  tokens: { sep: number; pad: number; special: readonly number[]; /** Marks that end a sentence. */ marks: ReadonlySet<number> },
): Promise<Decoded[]> {
  if (!latents.every(allFinite)) throw new Error("the denoiser's latents are not finite numbers");
  const rows = latents.length;
  const width = conditions[0]!.width;
  const outputs = await decoder.run({
    x: floats(concat(latents), rows, canvas, hidden),
    states: floats(concat(conditions.map((c) => c.states)), rows, width, hidden),
    bias: floats(concat(conditions.map((c) => c.bias)), rows, width),
    // A shortlist takes the words of the source in.
    ...(decoder.inputNames.includes("ids") && { ids: longs(sourceIds(conditions, width, tokens.pad), rows, width) }),
  });
  const ids = outputs[decoder.outputNames[0]!]!.data as BigInt64Array;
  const probability = floatsOf(outputs, "probability");
  const special = new Set(tokens.special);
  return latents.map((_, row) => {
    const line = Array.from(ids.subarray(row * canvas, (row + 1) * canvas), Number);
    const end = endOf(line, { sep: tokens.sep, pad: tokens.pad, special });
    const until = end < 0 ? canvas : end;
    const single = withoutRepeats(line.slice(0, until), conditions[row]!.ids, special);
    const kept = end < 0 ? single : withoutStrayEnd(single, line, conditions[row]!.ids, tokens.marks, special);
    const merged = [...kept.map((i) => line[i]!), ...(end < 0 ? [] : [tokens.sep])];
    let words = kept.filter((i) => !special.has(line[i]!));
    // An end token before any word says nothing of what follows it: an answer beats an empty one.
    if (words.length === 0) words = [...line.keys()].filter((i) => !special.has(line[i]!));
    const places = words.concat(end >= 0 ? [end] : []);
    const probabilityAt = (i: number) => probability[row * canvas + i]!;
    const sum = places.reduce((total, i) => total + probabilityAt(i), 0);
    return {
      ids: words.map((i) => line[i]!),
      line: Array.from({ length: canvas }, (_, i) => merged[i] ?? tokens.pad),
      confidences: words.map(probabilityAt),
      score: places.length > 0 ? sum / places.length : 0,
      ended: end >= 0,
    };
  });
}

/**
 * Other words in the place of those that were read; the end is as sure as it was.
 * @param canvas positions of the line, the special tokens' among them
 * @returns undefined where they do not fit on it
 */
export function rewritten(of: Decoded, words: readonly { id: number; confidence: number }[], canvas: number, { cls, sep, pad }: { cls: number; sep: number; pad: number }): Decoded | undefined {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const end = of.ended ? 1 : 0;
  const line = [cls, ...words.map(({ id }) => id), ...(of.ended ? [sep] : [])];
  if (line.length > canvas) return undefined;
  const confidences = words.map(({ confidence }) => confidence);
  const last = of.score * (of.confidences.length + end) - sum(of.confidences);
  const ids = words.map(({ id }) => id);
  return { ids, line: Array.from({ length: canvas }, (_, i) => line[i] ?? pad), confidences, score: (sum(confidences) + last) / (words.length + end), ended: of.ended, ...(of.markAdded && { markAdded: true }) };
}
