import type { Condition, Conditioner } from "../conditioning/condition.js";
import type { BundleCard } from "./bundle.js";
import type { DiffusionRow } from "./diffusion-row.js";
import type { Filling, Infiller } from "./infiller.js";
import { LOOKED_AT } from "./looked-at.js";
import type { Draft, Read } from "./revision.js";

/** Fills the blanks of drafts of samples. */
export class Blanks {
  constructor(
    private readonly card: BundleCard,
    private readonly conditioner: Conditioner,
    private readonly infiller: Infiller,
  ) {}

  /** A sample's tokens with the special ones at both ends; undefined of one that does not end by itself, or is longer than what is looked at. */
  text({ part, decoded }: DiffusionRow): Read[] | undefined {
    const { cls, sep } = this.card.tokens;
    const { ids, confidences, ended } = decoded!;
    const text = [{ id: cls, confidence: 1 }, ...ids.map((id, i) => ({ id, confidence: confidences[i]! })), { id: sep, confidence: 1 }];
    return ended && text.length <= Math.min(part.source.canvas, LOOKED_AT) ? text : undefined;
  }

  /** What may belong in each draft's blank, the likeliest first, and nothing as the last; all in one call. */
  async fill(drafts: readonly Draft[], condition: Condition): Promise<Filling[][]> {
    const { pad, unk, mask = unk } = this.card.tokens;
    const length = Math.max(...drafts.map(({ tokens }) => tokens.length));
    const latents = await this.conditioner.latents(drafts.map(({ tokens }) => Array.from({ length }, (_, i) => (i < tokens.length ? (tokens[i]?.id ?? mask) : pad))));
    return this.infiller.fill(latents, drafts.map(({ tokens }) => tokens.length), drafts.map(({ blank, old }, draft) => ({ draft, at: blank, old: old?.id ?? mask })), condition);
  }
}
