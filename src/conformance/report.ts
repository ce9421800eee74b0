/**
 * Largest relative error allowed: of one pass through a network, and of a whole trajectory. The decoder's is half of a
 * pass's: its attention is so even that a map off by 1 % can move its logits by less than 1e-4.
 */
export const LIMITS = { pass: 1e-4, decoder: 5e-5, trajectory: 1e-3 } as const;

export interface Item {
  name: string;
  /** Largest |ours - recorded|. */
  absolute: number;
  /** That over the largest |recorded| of the item: an error in the units of what is compared. */
  relative: number;
  limit: number;
  passed: boolean;
}

/** Compares two lists of numbers; a value that is not finite, or a list of another length, fails. */
export function compare(name: string, ours: ArrayLike<number>, recorded: ArrayLike<number>, limit: number): Item {
  let absolute = ours.length === recorded.length ? 0 : Infinity;
  let scale = 0;
  for (let i = 0; i < recorded.length; i++) {
    const error = Math.abs(ours[i]! - recorded[i]!);
    absolute = Math.max(absolute, Number.isNaN(error) ? Infinity : error);
    scale = Math.max(scale, Math.abs(recorded[i]!));
  }
  const relative = absolute === 0 ? 0 : absolute / scale;
  return { name, absolute, relative, limit, passed: recorded.length > 0 && relative <= limit };
}

/** An item of which nothing can be measured but whether it holds. */
export function verdict(name: string, passed: boolean): Item {
  return { name, absolute: passed ? 0 : Infinity, relative: passed ? 0 : Infinity, limit: 0, passed };
}

const number = (value: number) => (value === 0 ? "0" : Number.isFinite(value) ? value.toExponential(2) : "-");

/** The items as a table of text, one line each. */
export function table(items: readonly Item[]): string {
  const rows = items.map((item) => [item.name, number(item.absolute), number(item.relative), number(item.limit), item.passed ? "pass" : "FAIL"]);
  const all = [["item", "max abs error", "max rel error", "limit", ""], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ").trimEnd()).join("\n");
}
