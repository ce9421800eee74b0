import type { Blanks } from "./blanks.js";
import type { BundleCard } from "./bundle.js";
import { rewritten } from "./decoder.js";
import type { DiffusionRow } from "./diffusion-row.js";
import { inflectionsOf, LEAST_SLIPS, type Read } from "./revision.js";
import type { SampleReader } from "./sample-reader.js";
import { type Kinship, kinship } from "./word-forms.js";

/** Another form of a word is taken where the infiller is so sure of it (0..1), and finds it likelier by so many nats than the one that is there (training/RUNS.md, seventeenth round). */
const LEAST: Readonly<Record<Kinship, { sure: number; gain: number }>> = { form: { sure: 0.5, gain: 0.7 }, auxiliary: { sure: 0.65, gain: 2 } };
/** Words of a text that are changed at most. */
const MOST = 3;
/** Places that a changed word may tell something new about, on either side of it. */
const NEAR = 3;

/**
 * Puts words into the form that their neighbours ask for. Places that are written at once do not agree ("what are the best way", "in 5 year"), and the judges, who read whole texts, seldom mind.
 * Given all the other words the infiller knows which form it is; other words than forms of the same it is not asked for here, so that the text says what it said.
 */
export class Inflector {
  constructor(
    private readonly card: BundleCard,
    private readonly reader: SampleReader,
    private readonly blanks: Blanks,
  ) {}

  /** What a sample comes to with its words in other forms, one after the other as each may depend on another; undefined where none fits better, or the judge finds slips in it.
   * It may come to its source, and is a copy then: a source with a word in the wrong form is nothing better. */
  async inflected(row: DiffusionRow): Promise<Pick<DiffusionRow, "decoded" | "estimate" | "spelled"> | undefined> {
    const text = this.blanks.text(row);
    const right = text && (await this.#right(text, row));
    if (right === undefined || right === text) return undefined;
    const words = this.reader.whole(right.slice(1, -1), row.condition);
    const decoded = rewritten(row.decoded!, words, row.decoded!.line.length, this.card.tokens);
    if (decoded === undefined) return undefined;
    const made: DiffusionRow = { ...row, decoded, spelled: undefined };
    await this.reader.estimate([made]);
    await this.reader.weigh([made]);
    const [spelled] = this.reader.samples([made]);
    const worse = made.estimate!.slips > Math.max(row.estimate!.slips, LEAST_SLIPS);
    return worse ? undefined : { decoded, estimate: made.estimate!, spelled };
  }

  async #right(text: Read[], { condition }: DiffusionRow): Promise<Read[]> {
    let right = text;
    // After the first change only what is near it is asked about again, and what wanted changing before.
    let open = (_place: number) => true;
    for (let changed = 0; changed < MOST; changed += 1) {
      const words = this.reader.spell(right.map(({ id }) => id));
      const drafts = inflectionsOf(right, condition.ids, words).filter(({ blank }) => open(blank));
      if (drafts.length === 0) break;
      const fillings = await this.blanks.fill(drafts, condition);
      const likeliest = drafts.map(({ blank }, i) => ({ blank, ...fillings[i]![0]! }));
      const wanted = likeliest
        .filter(({ blank, id, probability, gain }) => {
          const kin = kinship(words[blank]!, this.reader.spell([id])[0]!);
          return kin !== undefined && probability >= LEAST[kin].sure && gain >= LEAST[kin].gain;
        })
        .sort((a, b) => b.gain - a.gain);
      const [best, ...others] = wanted;
      if (best === undefined) break;
      right = right.with(best.blank, { id: best.id, confidence: best.probability });
      const waiting = new Set(others.map(({ blank }) => blank));
      open = (place) => Math.abs(place - best.blank) <= NEAR || waiting.has(place);
    }
    return right;
  }
}
