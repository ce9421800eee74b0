import type * as ort from "onnxruntime-node";
import { lookedAt } from "./looked-at.js";
import { floatsOf } from "./session.js";

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
    return floatsOf(await this.graph.run({ candidate: lookedAt(sample, this.hidden), source: lookedAt(source, this.hidden) }), "score")[0]!;
  }
}
