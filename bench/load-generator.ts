/**
 * An open-loop load generator: arrivals come when a Poisson process says so, whether or not earlier ones are answered, and
 * latency counts from the arrival that was due, so that a slow server cannot slow the load down. (The well-kept generators
 * on npm wait for an answer before they send again, or need hundreds of packages.)
 */
import { setTimeout as sleep } from "node:timers/promises";
import { exponential, type Random } from "./random.js";

export interface Call {
  path: string;
  body: Record<string, unknown>;
  /** What the answers are told apart by, e.g. its steps. */
  kind: string;
}

export interface Answer {
  kind: string;
  /** 0: no answer came. */
  status: number;
  /** Milliseconds from the due arrival to the last byte. */
  ms: number;
  /** Milliseconds of the run at which it was due. */
  dueAt: number;
}

/**
 * Sends calls for so many seconds and waits for all answers.
 * @param rate calls a second
 * @param next what the next arrival asks
 * @param timeoutMs after which a call is given up, as without an answer
 */
export async function openLoop(url: string, rate: number, seconds: number, draw: Random, next: () => Call, timeoutMs: number): Promise<Answer[]> {
  const began = performance.now();
  return arrivals(rate, seconds, draw, (dueAt) => send(url, next(), began, dueAt, timeoutMs));
}

/** Calls as a Poisson process says, whether or not earlier ones are done. @param call of an arrival, due so many milliseconds after the start */
export async function arrivals<T>(rate: number, seconds: number, draw: Random, call: (dueAt: number) => Promise<T>): Promise<T[]> {
  const calls: Promise<T>[] = [];
  const began = performance.now();
  for (let dueAt = 0; dueAt < seconds * 1000; dueAt += (exponential(draw) * 1000) / rate) {
    const wait = began + dueAt - performance.now();
    if (wait > 0) await sleep(wait);
    calls.push(call(dueAt));
  }
  return Promise.all(calls);
}

async function send(url: string, { path, body, kind }: Call, began: number, dueAt: number, timeoutMs: number): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const status = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(timeoutMs) })
    .then(async (response) => {
      await response.arrayBuffer();
      return response.status;
    })
    .catch(() => 0);
  return { kind, status, ms: performance.now() - began - dueAt, dueAt };
}

/** Milliseconds of each answer of /health/live, asked for at a steady pace until `stop` is aborted. */
export async function watchHealth(url: string, everyMs: number, stop: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  while (!stop.aborted) {
    const began = performance.now();
    const ok = await fetch(`${url}/health/live`).then(async (response) => (await response.arrayBuffer(), response.ok), () => false);
    times.push(ok ? performance.now() - began : Infinity);
    await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
  return times;
}
