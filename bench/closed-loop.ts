import { mapOrdered } from "../src/ordered.js";
import { quantile } from "./simulation.js";

export interface ClosedLoop {
  p50: number;
  p95: number;
  /** Requests a second. */
  rate: number;
}

/** So many requests, so many at a time: the next goes out when one comes back. Milliseconds. @param call number of the request, from 0 */
export async function closedLoop(call: (number: number) => Promise<void>, requests: number, concurrency: number): Promise<ClosedLoop> {
  const began = performance.now();
  const times: number[] = [];
  const timed = async (number: number) => {
    const from = performance.now();
    await call(number);
    return performance.now() - from;
  };
  for await (const ms of mapOrdered(Array.from({ length: requests }, (_, number) => number), concurrency, timed)) times.push(ms);
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), rate: requests / seconds };
}
