import { TdiError } from "../errors.js";
import { DrainRate } from "./drain-rate.js";

/** Bounds of Retry-After, in seconds. */
const LEAST_RETRY_S = 1;
const MOST_RETRY_S = 120;

export interface AdmissionOptions {
  /** Most rows admitted at a time, waiting and running. */
  maxQueuedRows: number;
  /** Most rows of them that one client may hold. */
  maxClientRows: number;
}

/** Slots counted in rows (texts × samples). A slot is taken before any work, so a refusal costs nothing. */
export class Admission {
  #rows = 0;
  #byClient = new Map<string, number>();
  #rate: DrainRate;

  /** @param now milliseconds, monotonic */
  constructor(private readonly options: AdmissionOptions, now: () => number) {
    this.#rate = new DrainRate(now);
  }

  /** Rows admitted, waiting and running. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * Takes the slots of a request.
   * @throws TdiError client_over_share or queue_full, with the seconds in which so many rows should be free
   */
  reserve(client: string, rows: number): void {
    const { maxQueuedRows, maxClientRows } = this.options;
    const mine = (this.#byClient.get(client) ?? 0) + rows;
    if (mine > maxClientRows) {
      throw new TdiError("client_over_share", `One client may have ${maxClientRows} rows at a time; nothing was done for this request.`, undefined, this.#retryAfter(mine - maxClientRows));
    }
    const excess = this.#rows + rows - maxQueuedRows;
    if (excess > 0) {
      throw new TdiError("queue_full", "The queue is full; nothing was done for this request.", undefined, this.#retryAfter(excess));
    }
    this.#rows += rows;
    this.#byClient.set(client, mine);
  }

  /** Gives slots back. @param done the rows were finished, which tells how fast the queue drains */
  release(client: string, rows: number, done: boolean): void {
    this.#rows -= rows;
    const left = this.#byClient.get(client)! - rows;
    if (left > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
    if (done) this.#rate.add(rows);
  }

  #retryAfter(excessRows: number): number {
    const perSecond = this.#rate.perSecond;
    const seconds = perSecond > 0 ? Math.ceil(excessRows / perSecond) : LEAST_RETRY_S;
    return Math.min(Math.max(seconds, LEAST_RETRY_S), MOST_RETRY_S);
  }
}
