import type * as ort from "onnxruntime-node";
import { floats, floatsOf } from "../model/session.js";
import { pooled } from "../model/similarity.js";
import type { Conditioner } from "./condition.js";
import type { Leading } from "./selection.js";
import type { Tokenizer } from "./tokenizer.js";

/** Tokens of a sentence that are encoded, special ones included (training/tdi_training/scorer.py). */
const WORDS_READ = 64;

/** Scores the sentences of a text by what they say: a small network over the mean encoding and the features of each. */
export class SentenceScorer {
  constructor(
    private readonly graph: ort.InferenceSession,
    private readonly conditioner: Conditioner,
    private readonly tokenizer: Tokenizer,
    private readonly shape: { hidden: number; sep: number; special: ReadonlySet<number> },
  ) {}

  /** A score of each of `places`; the others are read for what they tell of these. */
  async scores({ sentences, places, features }: Leading): Promise<number[]> {
    const { hidden, sep, special } = this.shape;
    const encodings = new Float32Array(sentences.length * hidden);
    for (const [at, sentence] of sentences.entries()) {
      const { ids } = this.tokenizer.encode(sentence);
      const read = ids.length > WORDS_READ ? [...ids.slice(0, WORDS_READ - 1), sep] : ids;
      const [latents] = await this.conditioner.latents([read]);
      const sum = pooled(latents!, read, hidden, special);
      const words = Math.max(1, read.filter((id) => !special.has(id)).length);
      encodings.set(sum.map((value) => value / words), at * hidden);
    }
    const size = features[0]!.length;
    const told = new Float32Array(sentences.length * size);
    const may = new Float32Array(sentences.length);
    for (const [i, place] of places.entries()) {
      told.set(features[i]!, place * size);
      may[place] = 1;
    }
    const run = await this.graph.run({ encodings: floats(encodings, sentences.length, hidden), features: floats(told, sentences.length, size), may: floats(may, sentences.length) });
    const scores = floatsOf(run, "scores");
    return places.map((place) => scores[place]!);
  }
}
