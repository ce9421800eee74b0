import { readFile } from "node:fs/promises";
import { PreTrainedTokenizer } from "@xenova/transformers";

/** What a text turned into, before any cutting. */
export interface Encoded {
  /** Token ids, the opening and closing special tokens included. */
  ids: number[];
  /** Share of the text's own tokens that the model cannot read: unknown ones, and letters of other scripts. */
  unreadable: number;
  /** Characters that the tokenizer leaves out before it cuts the text: control, format and private-use ones. */
  dropped: number;
}

/** What BERT's text cleaning drops: neither a token nor an unknown one stands for it. */
const DROPPED = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]|\uFFFD/gu;
const FOREIGN_LETTER = /(?!\p{Script=Latin})\p{L}/u;

/** A tokenizer.json, read as text only: nothing that a user writes becomes a special token. */
export class Tokenizer {
  private readonly tokens: string[] = [];
  private readonly literals: string[];
  /** Ids of the marks that end a sentence. */
  readonly marks: ReadonlySet<number>;
  /** Ids of the two forms of the indefinite article, where the vocabulary has both. */
  readonly articles: readonly [number, number] | undefined;
  /** Id of the straight apostrophe, where it is a token of its own. */
  readonly apostrophe: number | undefined;

  private constructor(
    private readonly inner: PreTrainedTokenizer,
    json: { model: { vocab: Record<string, number> }; added_tokens?: { content: string }[] },
    private readonly special: { cls: number; sep: number; unk: number },
  ) {
    for (const [token, id] of Object.entries(json.model.vocab)) this.tokens[id] = token;
    this.marks = new Set([".", "?", "!"].flatMap((mark) => json.model.vocab[mark] ?? []));
    const { a, an } = json.model.vocab;
    this.articles = a === undefined || an === undefined ? undefined : [a, an];
    this.apostrophe = json.model.vocab["'"];
    this.literals = (json.added_tokens ?? []).map((token) => token.content).filter((content) => content.length > 1);
  }

  /** Loads a tokenizer.json file; `special` are the ids that open and close a text and stand for the unknown. */
  static async load(path: string, special: { cls: number; sep: number; unk: number }): Promise<Tokenizer> {
    const json = JSON.parse(await readFile(path, "utf8"));
    // Cutting and padding are ours: the file's own settings would hide how much of a text was lost.
    delete json.truncation;
    delete json.padding;
    return new Tokenizer(new PreTrainedTokenizer(json, {}), json, special);
  }

  /**
   * Ids of a text. A written-out special token such as "[MASK]" is opened up by a space, which tokenises as the same
   * text would without its special meaning.
   */
  encode(text: string): Encoded {
    let plain = text;
    for (const literal of this.literals) plain = plain.replaceAll(literal, `${literal[0]} ${literal.slice(1)}`);
    const own = this.inner.encode(plain, { add_special_tokens: false });
    const bad = own.filter((id) => id === this.special.unk || FOREIGN_LETTER.test(this.tokens[id] ?? "")).length;
    return { ids: [this.special.cls, ...own, this.special.sep], unreadable: own.length === 0 ? 1 : bad / own.length, dropped: text.match(DROPPED)?.length ?? 0 };
  }

  /** The vocabulary's spelling of each id. */
  spell(ids: readonly number[]): string[] {
    return ids.map((id) => this.tokens[id] ?? "");
  }
}
