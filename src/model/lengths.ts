import type { Task } from "../engine/contract.js";

/** Sources are padded to multiples of this, so that few shapes are met and a row never depends on a longer neighbour. */
export const WIDTH_STEP = 16;

/** The padded width of a source of some length. */
export function widthFor(length: number, limit: number): number {
  return Math.min(Math.ceil(length / WIDTH_STEP) * WIDTH_STEP, Math.max(limit, WIDTH_STEP));
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
