import type * as ort from "onnxruntime-node";
import type { Reading } from "./acceptability.js";
import { floats, floatsOf } from "./session.js";

/** Tokens of either text that the network looks at (LONGEST of training/tdi_training/infiller.py). */
const LOOKED_AT = 64;

/**
 * Tells whether a text reads as a person's rewording of its source would, by a network trained as a discriminator: unlike the judge of acceptability it
 * reads the source too, and it has met the slips that a language model makes.
 */
export class Critic {
  constructor(
    private readonly graph: ort.InferenceSession,
    private readonly hidden: number,
  ) {}

  /**
   * @param text normalised latents [tokens, hidden], special tokens among them, without padding
   * @param source likewise
   */
  async read(text: Float32Array, source: Float32Array): Promise<Reading & { doubts: Float32Array }> {
    const told = await this.graph.run({ text: this.#looked(text), source: this.#looked(source) });
    return { score: floatsOf(told, "score")[0]!, doubts: floatsOf(told, "slips") };
  }

  #looked(latents: Float32Array): ort.Tensor {
    const tokens = Math.min(LOOKED_AT, latents.length / this.hidden);
    return floats(latents.subarray(0, tokens * this.hidden), 1, tokens, this.hidden);
  }
}
