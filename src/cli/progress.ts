const WIDTH = 24;
/** Least milliseconds between two drawings. */
const REDRAW_MS = 100;

/** A progress bar on standard error; nothing where that is not a terminal. */
export class Progress {
  #last = 0;

  /** @param total bytes of the input; undefined when they are not known */
  constructor(private readonly total: number | undefined) {}

  show(bytes: number, done: number, failed: number, last = false): void {
    const now = performance.now();
    if (!process.stderr.isTTY || (!last && now - this.#last < REDRAW_MS)) return;
    this.#last = now;
    const share = this.total ? Math.min(1, bytes / this.total) : undefined;
    const bar = share === undefined ? "" : `[${"#".repeat(Math.round(share * WIDTH)).padEnd(WIDTH)}] ${Math.round(share * 100)} %  `;
    process.stderr.write(`\r${bar}${done} done${failed > 0 ? `, ${failed} failed` : ""}\u001b[K${last ? "\n" : ""}`);
  }
}
