import type { TickSpan } from "./contract.js";

/** The calls of a denoiser that one text took part in, for its trace: the first few each by itself, the rest as one. */
export class TickLog {
  readonly spans: TickSpan[] = [];
  #rest: TickSpan | undefined;

  /** @param most calls that are kept each by itself */
  constructor(private readonly most: number) {}

  add(tick: Omit<TickSpan, "calls">): void {
    if (this.spans.length < this.most) {
      this.spans.push({ ...tick, calls: 1 });
      return;
    }
    if (this.#rest === undefined) this.spans.push((this.#rest = { ...tick, steps: 0, rows: 0, calls: 0 }));
    const rest = this.#rest;
    rest.calls += 1;
    rest.steps += tick.steps;
    rest.rows = Math.max(rest.rows, tick.rows);
    // From the beginning of the first to the end of the last, what lay between them included.
    rest.ms = tick.at + tick.ms - rest.at;
  }
}
