import type * as ort from "onnxruntime-node";
import { floats } from "./session.js";

/** Tokens of a text that the small networks look at which rank and revise (LONGEST of training/tdi_training/ranker.py, acceptability.py and infiller.py). */
export const LOOKED_AT = 64;

/** What such a network looks at: the first tokens of latents [tokens, hidden] without padding, as [1, tokens, hidden]. */
export function lookedAt(latents: Float32Array, hidden: number): ort.Tensor {
  const tokens = Math.min(LOOKED_AT, latents.length / hidden);
  return floats(latents.subarray(0, tokens * hidden), 1, tokens, hidden);
}
