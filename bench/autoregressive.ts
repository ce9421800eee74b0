import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type * as ort from "onnxruntime-node";
import { EMPTY_LEXICON, type Lexicon, loadLexicon, restore } from "../src/conditioning/restore.js";
import { Tokenizer } from "../src/conditioning/tokenizer.js";
import { SERVING_CPU } from "../src/model/device.js";
import { floats, integers, openSession } from "../src/model/session.js";

/** What `python -m tdi_training export-autoregressive` writes beside the graphs. */
interface BaselineCard {
  tokens: { pad: number; cls: number; sep: number; unk: number };
  longest: number;
  source_tokens: number;
  parameters: number;
}

/**
 * The autoregressive baseline in the server's own runtime: a pointer-generator of the denoiser's size with a key-value cache, greedy,
 * one text at a time. What a user would run in place of the diffusion model.
 */
export class AutoregressiveBaseline {
  private constructor(
    readonly card: BaselineCard,
    private readonly tokenizer: Tokenizer,
    private readonly encoder: ort.InferenceSession,
    private readonly prefix: ort.InferenceSession,
    private readonly next: ort.InferenceSession,
    private readonly lexicon: Lexicon,
  ) {}

  /** Multiplies as the server does by default. @param folder of baseline.json, tokenizer.json and the three graphs. @param lexicon a casing.json, as the server has it */
  static async load(folder: string, threads: number, lexicon?: string): Promise<AutoregressiveBaseline> {
    const card = JSON.parse(await readFile(join(folder, "baseline.json"), "utf8")) as BaselineCard;
    const tokenizer = await Tokenizer.load(join(folder, "tokenizer.json"), card.tokens);
    const [encoder, prefix, next] = await Promise.all(["encoder", "prefix", "next"].map((name) => openSession(join(folder, `${name}.onnx`), threads, SERVING_CPU)));
    return new AutoregressiveBaseline(card, tokenizer, encoder!, prefix!, next!, lexicon === undefined ? EMPTY_LEXICON : loadLexicon(JSON.parse(await readFile(lexicon, "utf8"))));
  }

  /** Greedy, until the end token or the longest canvas. @returns the text, cased and spaced as the server does it, and its tokens with the end */
  async write(text: string): Promise<{ text: string; tokens: number }> {
    const { ids } = this.tokenizer.encode(text);
    if (ids.length > this.card.source_tokens) throw new RangeError(`the text has ${ids.length} tokens, the baseline reads ${this.card.source_tokens}`);
    const source = integers(ids, 1, ids.length);
    const bias = floats(new Float32Array(ids.length), 1, ids.length);
    const { states } = await this.encoder.run({ ids: source, mask: floats(new Float32Array(ids.length).fill(1), 1, ids.length) });
    const start = await this.prefix.run({ states: states!, bias, source_ids: source });
    const fixed = { keys: start.keys!, values: start.values!, pointer: start.pointer!, bias, source_ids: source };
    let [pastKeys, pastValues, top] = [start.past_keys!, start.past_values!, start.top_ids!];
    const written: number[] = [];
    for (;;) {
      const token = Number((top.data as BigInt64Array)[0]);
      if (token === this.card.tokens.sep || written.length === this.card.longest - 2) break;
      written.push(token);
      const out = await this.next.run({ ids: integers([token], 1, 1), past_keys: pastKeys, past_values: pastValues, ...fixed });
      [pastKeys, pastValues, top] = [out.new_keys!, out.new_values!, out.top_ids!];
    }
    return { text: restore(this.tokenizer.spell(written), text, this.lexicon), tokens: written.length + 1 };
  }
}
