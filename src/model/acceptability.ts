import type * as ort from "onnxruntime-node";
import { floats, floatsOf } from "./session.js";

/** Tokens of a text that the network looks at (LONGEST of training/tdi_training/acceptability.py). */
const LOOKED_AT = 64;

/** Tells whether a text reads as a person's would, by a small network trained on sentences with and without a slip. */
export class Acceptability {
  constructor(
    private readonly graph: ort.InferenceSession,
    private readonly hidden: number,
  ) {}

  /**
   * The logit that it does: below 0 it rather does not. A source of names or words that the network does not know may be low by itself.
   * @param text normalised latents [tokens, hidden], special tokens among them, without padding
   */
  async score(text: Float32Array): Promise<number> {
    const tokens = Math.min(LOOKED_AT, text.length / this.hidden);
    return floatsOf(await this.graph.run({ text: floats(text.subarray(0, tokens * this.hidden), 1, tokens, this.hidden) }), "score")[0]!;
  }
}
