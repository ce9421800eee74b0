import type * as ort from "onnxruntime-node";
import { lookedAt } from "./looked-at.js";
import { floatsOf } from "./session.js";

/** What the network makes of a text. */
export interface Reading {
  /** The logit that the text reads well: below 0 it rather does not. A source of names or words that the network does not know may be low by itself. */
  score: number;
  /** The logit for each token looked at that a slip is there, or beside it; absent where the graph does not tell. */
  doubts: Float32Array | undefined;
}

/** Tells whether a text reads as a person's would, by a small network trained on sentences with and without a slip. */
export class Acceptability {
  constructor(
    private readonly graph: ort.InferenceSession,
    private readonly hidden: number,
  ) {}

  /** True where it can tell places. */
  get tellsPlaces(): boolean {
    return this.graph.outputNames.includes("slips");
  }

  /** @param text normalised latents [tokens, hidden], special tokens among them, without padding */
  async read(text: Float32Array): Promise<Reading> {
    const told = await this.graph.run({ text: lookedAt(text, this.hidden) });
    return { score: floatsOf(told, "score")[0]!, doubts: this.tellsPlaces ? floatsOf(told, "slips") : undefined };
  }
}
