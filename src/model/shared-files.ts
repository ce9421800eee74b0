import { readFile } from "node:fs/promises";
import type * as ort from "onnxruntime-node";
import { EMPTY_LEXICON, type Lexicon, loadLexicon } from "../conditioning/restore.js";
import { loadSelector, type Selector } from "../conditioning/selection.js";
import { Tokenizer } from "../conditioning/tokenizer.js";
import type { Device } from "./device.js";
import type { Bundle } from "./bundle.js";
import { type Bigrams, loadBigrams } from "./fluency.js";
import { graphKey, type GraphRole, type PreparedGraphs } from "./prepared.js";
import { openSaved, openSession } from "./session.js";

/**
 * What the bundles of a process are made of, each file opened once: those of one models folder share the encoder, the decoder
 * and the tokenizer, and a session holds weights. Sessions keep nothing between two runs.
 */
export class SharedFiles {
  readonly #opened = new Map<string, Promise<unknown>>();

  /**
   * @param threads onnxruntime intra-op threads per session
   * @param prepared used on a CPU where it holds a graph
   */
  constructor(
    private readonly threads: number,
    private readonly device: Device,
    private readonly prepared?: PreparedGraphs,
  ) {}

  /** @throws DeviceError */
  session({ card, paths }: Bundle, role: GraphRole): Promise<ort.InferenceSession> {
    const path = paths[role]!;
    return this.#once(path, async () => {
      const saved = this.device.name === "cpu" ? await this.prepared?.find(graphKey(card, role)) : undefined;
      // One that does not open costs time and memory, not the service.
      const session = saved === undefined ? undefined : await openSaved(saved, this.threads).catch(() => undefined);
      return session ?? openSession(path, this.threads, this.device);
    });
  }

  tokenizer(path: string, special: { cls: number; sep: number; unk: number }): Promise<Tokenizer> {
    const { cls, sep, unk } = special;
    return this.#once(`${path} ${cls} ${sep} ${unk}`, () => Tokenizer.load(path, special));
  }

  async lexicon(path: string | undefined): Promise<Lexicon> {
    return path === undefined ? EMPTY_LEXICON : this.#once(path, async () => loadLexicon(JSON.parse(await readFile(path, "utf8"))));
  }

  async bigrams(path: string | undefined): Promise<Bigrams | undefined> {
    return path === undefined ? undefined : this.#once(path, async () => loadBigrams(await readFile(path)));
  }

  /** Words, one a line. */
  async words(path: string | undefined): Promise<ReadonlySet<string> | undefined> {
    return path === undefined ? undefined : this.#once(path, async () => new Set((await readFile(path, "utf8")).split("\n").filter((word) => word !== "")));
  }

  async selector(path: string | undefined): Promise<Selector | undefined> {
    return path === undefined ? undefined : this.#once(path, async () => loadSelector(JSON.parse(await readFile(path, "utf8"))));
  }

  #once<T>(key: string, open: () => Promise<T>): Promise<T> {
    const found = this.#opened.get(key) ?? open();
    this.#opened.set(key, found);
    return found as Promise<T>;
  }
}
