import { ERRORS, TdiError } from "../errors.js";
import type { LoadOptions, Pipeline, RunControl } from "../model/pipeline-contract.js";
import { traceOf } from "../telemetry/failure.js";
import type { GenerateRequest, Task } from "./contract.js";
import type { FromWorker, ToWorker } from "./protocol.js";

export type Loader = (options: LoadOptions) => Promise<Map<Task, Pipeline>>;

interface Run {
  id: number;
  request: GenerateRequest;
  abort: AbortController;
}

/** Least milliseconds between two `progress` messages of a run. */
const PROGRESS_MS = 250;

/**
 * The life of the engine process: loads and warms the pipelines, then serves runs one at a time in the order they came.
 * Between two denoising steps the event loop turns once, so a cancel or ping is read within one step.
 */
export function runWorker(load: Loader): void {
  const waiting: Run[] = [];
  let current: Run | undefined;
  let pipelines = new Map<Task, Pipeline>();

  async function start(options: LoadOptions): Promise<void> {
    const started = performance.now();
    try {
      pipelines = await load(options);
      for (const pipeline of pipelines.values()) await pipeline.warmUp();
    } catch (error) {
      // Nothing of a user has been read yet, so the message is safe to show; the exit waits until it is on its way.
      process.send?.({ type: "load_failed", message: traceOf(error).message } satisfies FromWorker, undefined, undefined, () => process.exit(1));
      return;
    }
    const bundles = [...pipelines.values()].map((pipeline) => pipeline.summary);
    send({ type: "ready", bundles, seconds: (performance.now() - started) / 1000 });
  }

  async function serve(): Promise<void> {
    while (current === undefined && waiting.length > 0) {
      current = waiting.shift()!;
      send(current.abort.signal.aborted ? { type: "cancelled", id: current.id } : await outcome(current, pipelines));
      current = undefined;
    }
  }

  process.on("message", (message: ToWorker) => {
    switch (message.type) {
      case "load":
        void start(message.options);
        break;
      case "run":
        waiting.push({ id: message.id, request: message.request, abort: new AbortController() });
        void serve();
        break;
      case "cancel":
        [current, ...waiting].find((run) => run?.id === message.id)?.abort.abort();
        break;
      case "ping":
        send({ type: "pong" });
        break;
    }
  });
  // The server process decides when to end: a Ctrl-C reaches this process too and must not break the drain.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("disconnect", () => process.exit(0));
}

/** Runs one request to its end, whichever it is. */
async function outcome(run: Run, pipelines: Map<Task, Pipeline>): Promise<FromWorker> {
  const { id, request, abort } = run;
  let lastProgress = performance.now();
  send({ type: "progress", id });
  const control: RunControl = {
    signal: abort.signal,
    async breathe() {
      await new Promise((resume) => setImmediate(resume));
      abort.signal.throwIfAborted();
      if (performance.now() - lastProgress < PROGRESS_MS) return;
      lastProgress = performance.now();
      send({ type: "progress", id });
    },
    onStep(rows, seconds) {
      lastProgress = performance.now();
      send({ type: "step", id, rows, seconds });
    },
    onEvent(event) {
      send({ type: "event", id, event });
    },
  };
  try {
    const pipeline = pipelines.get(request.task);
    if (!pipeline) throw new TdiError("not_found", "No loaded bundle serves this task.");
    return { type: "done", id, reply: await pipeline.generate(request, control) };
  } catch (error) {
    if (abort.signal.aborted) return { type: "cancelled", id };
    if (error instanceof TdiError) return { type: "failed", id, fault: error.toFault() };
    return { type: "failed", id, fault: { code: "internal", detail: ERRORS.internal.description }, trace: traceOf(error) };
  }
}

function send(message: FromWorker): void {
  // The callback swallows the error of a channel closed by the other side; `disconnect` then ends this process.
  process.send?.(message, undefined, undefined, () => undefined);
}
