/** What the two soaks share: their questions, what became of an answer, the engines' processes and the list of findings. */
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { QUESTIONS } from "./questions.js";
import { table } from "./report.js";
import type { BenchServer } from "./server.js";

/** Bytes a request by which the heap may seem to grow; the leaking server keeps over ten times as much. */
export const MOST_GROWTH = 2_000;
/** Seeds whose texts are known from before. */
export const KNOWN = 24;

/** A paraphrase in four steps, one sample: the same text for the same seed. */
export const bodyOf = (seed: number) => ({ text: QUESTIONS[seed % QUESTIONS.length]!, seed, steps: 4, best_of: 1, guidance: 0, truncation: "end" });

export interface Reply {
  /** 0: none came. */
  status: number;
  text: string;
}

/** Posts a request. @throws what fetch throws, when the signal or the connection ends first */
export async function ask(server: BenchServer, path: string, body: object, signal: AbortSignal): Promise<Reply> {
  const response = await fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });
  const reply = (await response.json()) as { results?: { text: string }[] };
  return { status: response.status, text: reply.results?.[0]?.text ?? "" };
}

export const TIMEOUT_MS = 120_000;

/** The texts of the known seeds, asked for one after the other. */
export async function knownTexts(server: BenchServer): Promise<string[]> {
  const texts: string[] = [];
  for (let seed = 0; seed < KNOWN; seed += 1) texts.push((await ask(server, "/paraphrase", bodyOf(seed), AbortSignal.timeout(TIMEOUT_MS))).text);
  return texts;
}

/** Whether all rows leave within a while. */
export async function settled(server: BenchServer): Promise<boolean> {
  for (let i = 0; i < 100; i += 1) {
    if ((await server.metric("tdi_in_flight_rows")) + (await server.metric("tdi_queue_rows")) === 0) return true;
    await sleep(100);
  }
  return false;
}

/** Child processes of the server: its engines. */
export function enginesOf(server: BenchServer): number[] {
  const lines = execFileSync("ps", ["-o", "pid=", "--ppid", String(server.child.pid)], { encoding: "utf8" });
  return lines.split("\n").map((line) => line.trim()).filter((line) => line !== "").map(Number);
}

export interface Finding {
  what: string;
  found: string;
  good: boolean;
}

/** Collects findings and says each as it comes. */
export class Findings {
  readonly all: Finding[] = [];

  check(what: string, found: string, good: boolean): void {
    this.all.push({ what, found, good });
    console.log(`${good ? "ok  " : "FAIL"} ${what}: ${found}`);
  }

  get good(): boolean {
    return this.all.every(({ good }) => good);
  }

  /** As a Markdown table. */
  table(): string {
    return table(["what", "found", ""], this.all.map(({ what, found, good }) => [what, found, good ? "ok" : "**not ok**"]));
  }
}
