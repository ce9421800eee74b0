/** The window in which rows are counted, in seconds, and its parts: a rate is never older than this. */
const WINDOW_S = 20;
const PARTS = 20;
const PART_MS = (WINDOW_S / PARTS) * 1000;

/** Rows finished a second, over the last seconds in which any was. */
export class DrainRate {
  #counts = new Array<number>(PARTS).fill(0);
  /** Number of the part that is being counted, and of the first that counts. */
  #part = 0;
  #first: number | undefined;

  /** @param now milliseconds, monotonic */
  constructor(private readonly now: () => number) {}

  add(rows: number): void {
    this.#advance();
    this.#first ??= this.#part;
    this.#counts[this.#part % PARTS]! += rows;
  }

  /** 0 while nothing is known. */
  get perSecond(): number {
    this.#advance();
    if (this.#first === undefined) return 0;
    const parts = Math.min(this.#part - this.#first + 1, PARTS);
    return this.#counts.reduce((sum, count) => sum + count, 0) / ((parts * PART_MS) / 1000);
  }

  #advance(): void {
    const part = Math.floor(this.now() / PART_MS);
    // What has left the window is forgotten; a long silence clears it.
    for (let i = Math.max(this.#part + 1, part - PARTS + 1); i <= part; i += 1) this.#counts[i % PARTS] = 0;
    this.#part = part;
    if (this.#counts.every((count) => count === 0)) this.#first = undefined;
  }
}
