import type { FieldFault, GenerateRequest, Warning } from "../engine/contract.js";
import { TdiError } from "../errors.js";
import type { BundleCard } from "../model/bundle.js";
import { canvasFor, widthFor } from "../model/lengths.js";
import { choose, leading, type Leading, linearScores, type Selector } from "./selection.js";
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
  /** What was chosen among; absent of a text that is read whole. */
  leading?: Leading;
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
    const found = selector && leading(text, selector, counter(tokenizer), before);
    const ids = cutTo(readLimit, found ? chosenIds(found, linearScores(found, selector), tokenizer, selector) : encoded.ids, card);
    // Without a selection all of the text is read, so that it may have no more than can be.
    const limit = found ? textLimit : readLimit;
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
    const fitting = canvasFor(request.task, total - truncated, canvases, card.canvas_rule);
    if (fitting === undefined) tooShort.push({ field, message: `${total} tokens; a summary needs a text of at least ${Math.min(...canvases)}` });
    const canvas = request.options.canvas === "auto" ? (fitting ?? 0) : request.options.canvas;
    return { text, ids, truncated, unselected: Math.max(0, total - truncated - ids.length), width: widthFor(ids.length, readLimit), canvas, warnings, ...(found && { leading: found }) };
  });
  if (tooLong.length > 0) throw new TdiError("text_too_long", `${tooLong[0]!.field} is too long: ${tooLong[0]!.message}.`, tooLong);
  if (unreadable.length > 0) throw new TdiError("text_unreadable", "Most of the text is unknown to the model.", unreadable);
  if (tooShort.length > 0) throw new TdiError("text_too_short", "The text is too short to be summarised.", tooShort);
  return sources;
}

/** The source with what other scores than the selector's own choose of its text. */
export function chosenBy(source: Source, scores: readonly number[], tokenizer: Tokenizer, selector: Selector, card: BundleCard): Source {
  const { source_tokens: textLimit, read_tokens: readLimit = textLimit } = card.limits;
  const ids = cutTo(readLimit, chosenIds(source.leading!, scores, tokenizer, selector), card);
  const unselected = Math.max(0, source.unselected + source.ids.length - ids.length);
  return { ...source, ids, unselected, width: widthFor(ids.length, readLimit) };
}

/** Tokens of a sentence, without special ones. */
function counter(tokenizer: Tokenizer): (sentence: string) => number {
  return (sentence) => tokenizer.encode(sentence).ids.length - 2;
}

function chosenIds(found: Leading, scores: readonly number[], tokenizer: Tokenizer, selector: Selector): number[] {
  return tokenizer.encode(choose(found, scores, selector, counter(tokenizer)).join(" ")).ids;
}

function cutTo(limit: number, ids: number[], card: BundleCard): number[] {
  return ids.length > limit ? [...ids.slice(0, limit - 1), card.tokens.sep] : ids;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
