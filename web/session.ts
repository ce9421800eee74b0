/** One run of the playground: asks the server, keeps what it tells. */
import { useCallback, useRef, useState } from "preact/hooks";
import { createClient, TdiApiError } from "../src/client/index.js";
import type { GenerateReply, GenerateRequest, Problem } from "../src/client/types.js";
import { samplesOf } from "../src/engine/samples.js";
import type { Settings, Task } from "./settings.js";
import { toRequest } from "./settings.js";
import { withEvent, type Timeline } from "./timeline.js";

export interface Run {
  task: Task;
  source: string;
  request: GenerateRequest;
  /** Rows that are sampled. */
  rows: number;
  /** Steps between two events of a row. */
  everySteps: number;
  state: "waiting" | "sharpening" | "done" | "stopped" | "failed";
  timeline: Timeline;
  reply?: GenerateReply;
  /** What the server said, or why it could not be asked. */
  problem?: { title: string; detail: string; faults: { field: string; message: string }[]; code?: Problem["code"] };
}

/** Step events of a row up to which each step is told. */
const MOST_EVENTS = 40;

const headers: Record<string, string> = {};

export const client = createClient({ baseUrl: location.origin, retries: 2, maxRetryAfterSeconds: 10, headers });

/** Sends the key with every request from now on. */
export function sendKey(key: string): void {
  headers["authorization"] = `Bearer ${key}`;
}

function problemOf(error: unknown): NonNullable<Run["problem"]> {
  if (error instanceof TdiApiError) {
    const { problem, faults } = error;
    return { title: problem?.title ?? `Status ${error.status}`, detail: problem?.detail ?? error.message, faults, ...(error.code && { code: error.code }) };
  }
  return { title: "No answer", detail: "The server could not be reached, or the connection broke.", faults: [] };
}

/**
 * @param defaultsOf what the task's bundle takes where the request says nothing
 * @param mostSamples of a text that the server allows
 */
export function useRun(defaultsOf: (task: Task) => { steps: number; best_of: number }, mostSamples: number | undefined) {
  const [run, setRun] = useState<Run>();
  const abort = useRef<AbortController>();

  const stop = useCallback(() => abort.current?.abort(), []);

  const start = useCallback(
    async (settings: Settings) => {
      abort.current?.abort();
      const mine = (abort.current = new AbortController());
      const request = toRequest(settings);
      const defaults = defaultsOf(settings.task);
      const steps = request.steps ?? defaults.steps;
      const rows = samplesOf({ numCandidates: request.num_candidates ?? 1, bestOf: request.best_of }, { defaults }, mostSamples);
      const everySteps = Math.max(1, Math.ceil(steps / MOST_EVENTS));
      let current: Run = { task: settings.task, source: request.text as string, request, rows, everySteps, state: "waiting", timeline: new Map() };
      const show = (change: Partial<Run>) => {
        current = { ...current, ...change };
        if (abort.current === mine) setRun(current);
      };
      show({});
      try {
        for await (const { event, data } of client.stream(settings.task, { ...request, stream_every: everySteps }, { signal: mine.signal })) {
          if (event === "step") show({ state: "sharpening", timeline: withEvent(current.timeline, data) });
          else show({ state: "done", reply: data, rows: data.results[0]?.usage.samples ?? current.rows });
        }
      } catch (error) {
        if (mine.signal.aborted) show({ state: "stopped" });
        else show({ state: "failed", problem: problemOf(error) });
      }
    },
    [defaultsOf, mostSamples],
  );

  return { run, start, stop };
}
