import type { Condition, Conditioner } from "../conditioning/condition.js";
import type { BundleCard } from "./bundle.js";
import type { Blank, Infiller } from "./infiller.js";
import { LOOKED_AT } from "./looked-at.js";

/** Of so many tokens of a text one is blanked in each of the drafts that its likelihood is read from. A draft for each token tells slips no better, at three times the cost (training/RUNS.md, eighteenth round). */
const STRIDE = 4;

/**
 * How likely texts are, word for word, given their source. The judges learned on slips that were made for them; a network that fills blanks in knows of every word
 * whether it belongs where it is.
 */
export class Likelihood {
  constructor(
    private readonly card: BundleCard,
    private readonly conditioner: Conditioner,
    private readonly infiller: Infiller,
  ) {}

  /**
   * Mean negative log-likelihood of a text's tokens, each given those that are not blanked with it (pseudo-log-likelihood; Salazar et al., arXiv 1910.14659), in nats; 0 of a text of none.
   * @param texts of one source: token ids without the special ones
   */
  async unlikely(texts: readonly (readonly number[])[], condition: Condition): Promise<number[]> {
    const { cls, sep, pad, unk, mask = unk } = this.card.tokens;
    const lines = texts.map((text) => [cls, ...text, sep].slice(0, LOOKED_AT));
    const length = Math.max(...lines.map((line) => line.length));
    const drafts: number[][] = [];
    const blanks: (Blank & { text: number })[] = [];
    lines.forEach((line, text) => {
      for (let first = 1; first <= Math.min(STRIDE, line.length - 2); first += 1) {
        const draft = Array.from({ length }, (_, place) => line[place] ?? pad);
        for (let at = first; at < line.length - 1; at += STRIDE) {
          blanks.push({ text, draft: drafts.length, at, old: line[at]! });
          draft[at] = mask;
        }
        drafts.push(draft);
      }
    });
    if (blanks.length === 0) return texts.map(() => 0);
    const tokens = drafts.map((draft) => draft.filter((id) => id !== pad).length);
    const fillings = await this.infiller.fill(await this.conditioner.latents(drafts), tokens, blanks, condition);
    const nats = lines.map(() => 0);
    fillings.forEach(([likeliest], i) => (nats[blanks[i]!.text]! += likeliest!.gain - Math.log(likeliest!.probability)));
    return nats.map((sum, text) => sum / Math.max(1, lines[text]!.length - 2));
  }
}
