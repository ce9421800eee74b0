import type { FieldFault, GenerateRequest, Warning } from "../engine/contract.js";
import { TdiError } from "../errors.js";
import type { BundleCard } from "../model/bundle.js";
import { canvasFor, widthFor } from "../model/lengths.js";
import { select, type Selector } from "./selection.js";
import type { Tokenizer } from "./tokenizer.js";

/** A text of a request, tokenised, its sentences selected where the bundle does that, cut where that was asked for, and given its shapes. */
export interface Source {
  text: string;
  ids: number[];
  /** Tokens over the limit, cut off. */
  truncated: number;
  /** Tokens of the sentences that the selector left out. */
  unselected: number;
  width: number;
  canvas: number;
  warnings: Warning[];
}

/** Above this share of tokens that the model cannot read, there is nothing to work from. */
const UNREADABLE_SHARE = 0.5;

/** Reads every text of a request; a TdiError names each text at fault, by its place in the request. */
export function readSources(tokenizer: Tokenizer, selector: Selector | undefined, card: BundleCard, request: GenerateRequest): Source[] {
  const { source_tokens: textLimit, read_tokens: readLimit = textLimit, canvases } = card.limits;
  const tooLong: FieldFault[] = [];
  const unreadable: FieldFault[] = [];
  const tooShort: FieldFault[] = [];
  const sources = request.texts.map((text, i): Source => {
    const field = `text[${i}]`;
    const encoded = tokenizer.encode(text);
    const warnings: Warning[] = [];
    const total = encoded.ids.length;
    // Only of a text that will be cut has it to be known which sentences are before the cut. Two tokens are special.
    const before = total > textLimit ? textLimit - 2 : Infinity;
    const chosen = selector ? select(text, selector, (sentence) => tokenizer.encode(sentence).ids.length - 2, before) : [];
    const selected = chosen.length > 0;
    let ids = selected ? tokenizer.encode(chosen.join(" ")).ids : encoded.ids;
    // Without a selection all of the text is read, so that it may have no more than can be.
    const limit = selected ? textLimit : readLimit;
    const truncated = Math.max(0, total - limit);
    if (encoded.unreadable >= UNREADABLE_SHARE) {
      unreadable.push({ field, message: `${percent(encoded.unreadable)} of its tokens are unknown to the model, which reads ${card.language}` });
    } else if (encoded.unreadable > 0) {
      warnings.push({ code: "unknown_tokens", message: `${percent(encoded.unreadable)} of the text's tokens are unknown to the model and were not read` });
    }
    if (encoded.dropped > 0) warnings.push({ code: "dropped_characters", message: `${encoded.dropped} control, format or private-use characters of the text were not read` });
    if (truncated > 0 && request.options.truncation === "error") {
      tooLong.push({ field, message: `${total} tokens, ${truncated} over the limit of ${limit}` });
    } else if (truncated > 0) {
      warnings.push({ code: "truncated", message: `the last ${truncated} tokens of the text were not read` });
    }
    if (ids.length > readLimit) ids = [...ids.slice(0, readLimit - 1), card.tokens.sep];
    const fitting = canvasFor(request.task, total - truncated, canvases, card.canvas_rule);
    if (fitting === undefined) tooShort.push({ field, message: `${total} tokens; a summary needs a text of at least ${Math.min(...canvases)}` });
    const canvas = request.options.canvas === "auto" ? (fitting ?? 0) : request.options.canvas;
    return { text, ids, truncated, unselected: Math.max(0, total - truncated - ids.length), width: widthFor(ids.length, readLimit), canvas, warnings };
  });
  if (tooLong.length > 0) throw new TdiError("text_too_long", `${tooLong[0]!.field} is too long: ${tooLong[0]!.message}.`, tooLong);
  if (unreadable.length > 0) throw new TdiError("text_unreadable", "Most of the text is unknown to the model.", unreadable);
  if (tooShort.length > 0) throw new TdiError("text_too_short", "The text is too short to be summarised.", tooShort);
  return sources;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
