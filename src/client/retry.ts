import { TdiApiError } from "./errors.js";

export interface RetryOptions {
  /** Attempts after the first; 3 when absent, 0 for none. */
  retries?: number;
  /** Most seconds to wait before an attempt; a server that asks for more gets the error thrown instead. 60 when absent. */
  maxRetryAfterSeconds?: number;
}

/** Wait before attempt n + 1 when the server does not say: doubled each time. */
const FIRST_WAIT_SECONDS = 0.25;

/**
 * Calls until it goes well. Tried again: 429 and 503, after what Retry-After says, and a connection that failed. A generation
 * changes nothing on the server, so a repeated one costs time and nothing else.
 * @throws what the last attempt threw, or the signal's reason
 */
export async function withRetries<T>(attempt: () => Promise<T>, { retries = 3, maxRetryAfterSeconds = 60 }: RetryOptions, signal?: AbortSignal): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      const wait = waitAfter(error, failures);
      if (failures >= retries || wait === undefined || wait > maxRetryAfterSeconds) throw error;
      await pause(wait * 1000, signal);
    }
  }
}

/** Seconds to wait after an error; undefined when another attempt makes no sense. */
function waitAfter(error: unknown, failures: number): number | undefined {
  // Jitter, so that many clients refused at once do not come back at once.
  const backoff = FIRST_WAIT_SECONDS * 2 ** failures * (0.5 + Math.random());
  if (error instanceof TdiApiError) return error.retryable ? (error.retryAfterSeconds ?? backoff) : undefined;
  // What fetch throws when there is no connection.
  return error instanceof TypeError ? backoff : undefined;
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => (clearTimeout(timer), reject(signal!.reason as Error));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), resolve()), ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
