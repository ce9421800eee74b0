import type * as ort from "onnxruntime-node";
import type { Reading } from "./acceptability.js";
import { lookedAt } from "./looked-at.js";
import { floatsOf } from "./session.js";

/** What a critic makes of a text; its graph always tells places. */
export type Criticism = Reading & { doubts: Float32Array };

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
  async read(text: Float32Array, source: Float32Array): Promise<Criticism> {
    const told = await this.graph.run({ text: lookedAt(text, this.hidden), source: lookedAt(source, this.hidden) });
    return { score: floatsOf(told, "score")[0]!, doubts: floatsOf(told, "slips") };
  }
}
