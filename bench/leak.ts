/** Memory of the server process after so many requests. */
export interface Sample {
  requests: number;
  /** Bytes. */
  heap: number;
}

/** Samples before this share of the requests are left out: caches fill and code is compiled. */
const WARM_UP = 0.4;

/** Growth of the heap in bytes a request, after the warm-up: the slope of the line of least squares through the samples. */
export function growth(samples: readonly Sample[]): number {
  const last = samples.at(-1)?.requests ?? 0;
  const counted = samples.filter(({ requests }) => requests >= WARM_UP * last);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(counted.map(({ requests }) => requests)), mean(counted.map(({ heap }) => heap))];
  const covariance = mean(counted.map(({ requests, heap }) => (requests - x) * (heap - y)));
  return covariance / mean(counted.map(({ requests }) => (requests - x) ** 2));
}
