import type * as ort from "onnxruntime-node";
import type { Condition } from "../conditioning/condition.js";
import { BundleError } from "./bundle.js";
import { LOOKED_AT } from "./looked-at.js";
import { floats, floatsOf, integers } from "./session.js";

/** A place of a draft to be filled. */
export interface Blank {
  /** The draft it is in. */
  draft: number;
  at: number;
  /** The token that stood there, or the mask token where none did. */
  old: number;
}

/** What may belong in a blank. */
export interface Filling {
  /** A token, or the mask token for nothing. */
  id: number;
  /** In 0..1, among all that the network may choose from. */
  probability: number;
  /** By how many nats it is likelier than what stood there. */
  gain: number;
}

/** Says what belongs in the blanks of drafts, by a small conditional masked language model that reads the source too. */
export class Infiller {
  /** @throws BundleError for a graph that asks about one blank a draft, as those exported before were */
  constructor(
    private readonly graph: ort.InferenceSession,
    private readonly hidden: number,
  ) {
    if (!graph.inputNames.includes("row")) throw new BundleError("the infiller was exported by an earlier version: its graph has no input \"row\". Export it again (fit-infiller).");
  }

  /**
   * The likeliest fillings of each blank, the likeliest first, and nothing as the last.
   * @param drafts of one source: normalised latents [length, hidden], special tokens and padding among them, all of one length
   * @param tokens of each draft, without padding
   */
  async fill(drafts: readonly Float32Array[], tokens: readonly number[], blanks: readonly Blank[], { ids, states }: Condition): Promise<Filling[][]> {
    const [rows, length] = [drafts.length, drafts[0]!.length / this.hidden];
    const read = Math.min(LOOKED_AT, ids.length);
    const text = new Float32Array(rows * length * this.hidden);
    const mask = new Float32Array(rows * length);
    drafts.forEach((draft, row) => {
      text.set(draft, row * length * this.hidden);
      mask.fill(1, row * length, row * length + tokens[row]!);
    });
    const told = await this.graph.run({
      text: floats(text, rows, length, this.hidden),
      mask: floats(mask, rows, length),
      source: floats(states.subarray(0, read * this.hidden), 1, read, this.hidden),
      ids: integers(ids.slice(0, read), 1, read),
      row: integers(blanks.map(({ draft }) => draft), blanks.length),
      at: integers(blanks.map(({ at }) => at), blanks.length),
      old: integers(blanks.map(({ old }) => old), blanks.length),
    });
    const found = told["read"]!.data as BigInt64Array;
    const [likely, was] = [floatsOf(told, "likely"), floatsOf(told, "was")];
    const each = found.length / blanks.length;
    const filling = (blank: number, k: number): Filling => {
      const nats = likely[blank * each + k]!;
      return { id: Number(found[blank * each + k]), probability: Math.exp(nats), gain: nats - was[blank]! };
    };
    return blanks.map((_, blank) => Array.from({ length: each }, (_, k) => filling(blank, k)));
  }
}
