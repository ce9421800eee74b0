import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { TdiError } from "../errors.js";

export interface RateLimits {
  /** Requests of one client in a minute; 0 is no limit. */
  maxRequestsPerMinute: number;
  /** Rows (texts × samples) of one client in a minute; 0 is no limit. */
  maxRowsPerMinute: number;
}

const WINDOW_SECONDS = 60;

/** What each client may ask for in a minute, counted in windows that begin with its first request. */
export class Rates {
  readonly #requests: RateLimiterMemory | undefined;
  readonly #rows: RateLimiterMemory | undefined;

  constructor({ maxRequestsPerMinute, maxRowsPerMinute }: RateLimits) {
    this.#requests = limiter(maxRequestsPerMinute);
    this.#rows = limiter(maxRowsPerMinute);
  }

  /** Counts a request. @throws TdiError rate_limited */
  async countRequest(client: string): Promise<void> {
    await count(this.#requests, client, 1, "requests");
  }

  /** Counts the rows of a request that is about to be admitted. @throws TdiError rate_limited; its rows are then not counted */
  async countRows(client: string, rows: number): Promise<void> {
    await count(this.#rows, client, rows, "rows");
  }
}

function limiter(points: number): RateLimiterMemory | undefined {
  return points > 0 ? new RateLimiterMemory({ points, duration: WINDOW_SECONDS }) : undefined;
}

async function count(limit: RateLimiterMemory | undefined, client: string, points: number, what: string): Promise<void> {
  if (!limit) return;
  try {
    await limit.consume(client, points);
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    // What is refused is not had: a large request must not use up what a small one after it could have.
    await limit.reward(client, points);
    // The limiter forgets a window by a timer but tells its rest by the wall clock, which may have been put back since.
    const seconds = Math.min(WINDOW_SECONDS, Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)));
    throw new TdiError("rate_limited", `One client may ask for ${limit.points} ${what} in a minute; nothing was done for this request.`, undefined, seconds);
  }
}
