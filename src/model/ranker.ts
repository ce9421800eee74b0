import type * as ort from "onnxruntime-node";
import { floats, floatsOf } from "./session.js";

/** Tokens of a text that the network looks at (LONGEST of training/tdi_training/ranker.py). */
const LOOKED_AT = 64;

/** Tells how good a sample is as a paraphrase of its source, by a small network that reads both: the same words may say something else in another order. */
export class Ranker {
  constructor(
    private readonly graph: ort.InferenceSession,
    private readonly hidden: number,
  ) {}

  /**
   * Higher is better; only differences between samples of one source mean anything.
   * @param sample normalised latents [written, hidden], special tokens among them
   * @param source likewise [read, hidden], without padding
   */
  async score(sample: Float32Array, source: Float32Array): Promise<number> {
    return floatsOf(await this.graph.run({ candidate: this.#read(sample), source: this.#read(source) }), "score")[0]!;
  }

  #read(latents: Float32Array): ort.Tensor {
    const tokens = Math.min(LOOKED_AT, latents.length / this.hidden);
    return floats(latents.subarray(0, tokens * this.hidden), 1, tokens, this.hidden);
  }
}
