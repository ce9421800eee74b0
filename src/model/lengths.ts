import type { Task } from "../engine/contract.js";

/**
 * Sources are padded to the next of these widths of their own, never to a longer neighbour's: multiples of 16 up to 64, of
 * 32 up to 128, of 64 beyond. Few shapes are met, so that rows find company in a call, and at most 15 positions or
 * a third of the width are padding.
 */
function roundUp(length: number): number {
  const step = length <= 64 ? 16 : length <= 128 ? 32 : 64;
  return Math.ceil(length / step) * step;
}

/** The padded width of a source of some length, in tokens. */
export function widthFor(length: number, limit: number): number {
  return Math.min(roundUp(Math.max(length, 1)), Math.max(limit, 16));
}

/** Every width that a source of at most `limit` tokens can have. */
export function widths(limit: number): number[] {
  return [...new Set(Array.from({ length: limit }, (_, i) => widthFor(i + 1, limit)))];
}

/**
 * Positions to denoise for a source of `length` tokens, special ones included. A paraphrase gets the smallest canvas
 * with room for `ratio * length + extra`; a summary the largest that is no longer than its text, if there is one.
 */
export function canvasFor(task: Task, length: number, canvases: readonly number[], rule: { ratio: number; extra: number }): number | undefined {
  const sorted = [...canvases].sort((a, b) => a - b);
  if (task === "summarize") return sorted.findLast((canvas) => canvas <= length);
  return sorted.find((canvas) => canvas >= Math.ceil(rule.ratio * length) + rule.extra) ?? sorted.at(-1);
}
