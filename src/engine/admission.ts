import { TdiError } from "../errors.js";

/** Weight of the newest run in the moving average of seconds per row. */
const NEWEST = 0.2;
/** Bounds of Retry-After, in seconds. */
const LEAST_RETRY_S = 1;
const MOST_RETRY_S = 120;

/** Slots counted in rows (texts × candidates). A slot is taken before any work, so a refusal costs nothing. */
export class Admission {
  #rows = 0;
  #secondsPerRow: number | undefined;

  /** @param limit most rows admitted at a time, waiting and running */
  constructor(private readonly limit: number) {}

  /** Takes the slots of a request. @throws TdiError queue_full, with the seconds in which so many rows should be free */
  reserve(rows: number): void {
    const excess = this.#rows + rows - this.limit;
    if (excess > 0) {
      throw new TdiError("queue_full", "The queue is full; nothing was done for this request.", undefined, this.#retryAfter(excess));
    }
    this.#rows += rows;
  }

  release(rows: number): void {
    this.#rows -= rows;
  }

  /** Learns the drain rate from a run that is done. */
  measure(rows: number, seconds: number): void {
    const perRow = seconds / rows;
    this.#secondsPerRow = this.#secondsPerRow === undefined ? perRow : this.#secondsPerRow + NEWEST * (perRow - this.#secondsPerRow);
  }

  #retryAfter(excessRows: number): number {
    const seconds = Math.ceil(excessRows * (this.#secondsPerRow ?? 0));
    return Math.min(Math.max(seconds, LEAST_RETRY_S), MOST_RETRY_S);
  }
}
