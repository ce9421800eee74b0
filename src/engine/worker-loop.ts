import { ERRORS, TdiError } from "../errors.js";
import type { LoadOptions, PartRequest, Pipeline, PreparedPart, SampleRow } from "../model/pipeline-contract.js";
import { traceOf } from "../telemetry/failure.js";
import type { EngineFault, StepEvent, Task } from "./contract.js";
import { type EngineLoadOptions, type FromWorker, OUT_OF_MEMORY_EXIT, type ToWorker } from "./protocol.js";
import { StepScheduler, type Tick } from "./step-scheduler.js";
import { TickLog } from "./tick-log.js";

export type Loader = (options: LoadOptions) => Promise<Map<Task, Pipeline>>;

/** One text that this process was given. */
interface Run {
  id: number;
  part: PartRequest;
  check: string[] | undefined;
  cancelled: boolean;
  receivedAt: number;
  queueMs: number;
  prepared?: PreparedPart;
  pipeline?: Pipeline;
  rows: ScheduledRow[];
  /** Rows not yet collected. */
  left: number;
  /** Of its first call; 0 before that. */
  startedAt: number;
  /** Of a run that is traced. */
  ticks: TickLog | undefined;
}

/** A row in the scheduler. */
class ScheduledRow {
  /** Names the task too: graphs of two bundles cannot share a call. */
  readonly shape: string;

  constructor(readonly run: Run, readonly row: SampleRow) {
    this.shape = `${run.part.task} ${row.shape}`;
  }

  get weight(): number {
    return this.row.weight;
  }

  get steps(): number {
    return this.row.steps;
  }

  get done(): number {
    return this.row.done;
  }
}

/** Least milliseconds between two reports of the memory in use. */
const MEMORY_MS = 500;
const INTERNAL: EngineFault = { code: "internal", detail: ERRORS.internal.description };
/** An allocation that failed leaves native state that nobody has tested: the process ends, and its work is run again on the next. */
const OUT_OF_MEMORY = /fail(ed|ure) to allocate|bad_?alloc|out of memory|allocation failed/i;

/**
 * The life of an engine process: loads and warms the pipelines, then runs the scheduler: between two calls of a denoiser
 * finished rows leave, cancelled ones are dropped and new ones are encoded and join. The event loop turns once between
 * two calls, so a cancel or ping is read within one.
 */
export function runWorker(load: Loader): void {
  process.on("message", (message: ToWorker) => {
    if (message.type === "load") void start(message.options);
    else worker?.receive(message);
  });
  // The server process decides when to end: a Ctrl-C reaches this process too and must not break the drain.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("disconnect", () => process.exit(0));

  let worker: Worker | undefined;
  async function start(options: EngineLoadOptions): Promise<void> {
    const started = performance.now();
    try {
      const pipelines = await load(options);
      for (const pipeline of pipelines.values()) await pipeline.warmUp();
      // What loading left behind would stay for long: little garbage is made from now on, and the heap would rather grow.
      globalThis.gc?.();
      worker = new Worker(pipelines, new StepScheduler(options.scheduler));
      const bundles = [...pipelines.values()].map((pipeline) => pipeline.summary);
      send({ type: "ready", bundles, seconds: (performance.now() - started) / 1000 });
    } catch (error) {
      // Nothing of a user has been read yet, so the message is safe to show; the exit waits until it is on its way.
      process.send?.({ type: "load_failed", message: traceOf(error).message } satisfies FromWorker, undefined, undefined, () => process.exit(1));
    }
  }
}

class Worker {
  /** Not yet encoded, in order. */
  #waiting: Run[] = [];
  #runs = new Map<number, Run>();
  #serving = false;
  /** Seconds of the last call: encoding new texts may take as long between two calls, so rows under way lose at most half. */
  #lastCall = 0;
  /** The last run that was encoded; they are in order. */
  #seen = 0;
  #memoryAt = 0;

  constructor(private readonly pipelines: ReadonlyMap<Task, Pipeline>, private readonly scheduler: StepScheduler<ScheduledRow>) {}

  receive(message: Exclude<ToWorker, { type: "load" }>): void {
    if (message.type === "ping") {
      this.#reportMemory();
      send({ type: "pong" });
    } else if (message.type === "cancel") {
      const run = this.#runs.get(message.id);
      if (run) this.#cancel(run);
    } else {
      const { id, part, check } = message;
      const run: Run = { id, part, check, cancelled: false, receivedAt: performance.now(), queueMs: 0, rows: [], left: 0, startedAt: 0, ticks: part.traceTicks === undefined ? undefined : new TickLog(part.traceTicks) };
      this.#runs.set(id, run);
      this.#waiting.push(run);
      if (!this.#serving) void this.#serve();
    }
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    while (this.#waiting.length > 0 || !this.scheduler.idle) {
      await this.#prepareWaiting();
      const tick = this.scheduler.next();
      if (tick) await this.#call(tick);
      await breathe();
    }
    this.#serving = false;
  }

  async #prepareWaiting(): Promise<void> {
    const began = performance.now();
    while (this.#waiting.length > 0 && this.scheduler.room > 0) {
      const run = this.#waiting.shift()!;
      await this.#guard([run], () => this.#prepare(run));
      await breathe();
      if (!this.scheduler.gathering && !this.scheduler.idle && (performance.now() - began) / 1000 > this.#lastCall) return;
    }
  }

  async #prepare(run: Run): Promise<void> {
    const { part, check } = run;
    const pipeline = this.pipelines.get(part.task);
    if (!pipeline) throw new TdiError("not_found", "No loaded bundle serves this task.");
    this.#seen = run.id;
    run.queueMs = performance.now() - run.receivedAt;
    if (check) {
      pipeline.check(check, part.options);
      send({ type: "checked", id: run.id });
    }
    const prepared = await pipeline.prepare(part);
    if (run.cancelled) return;
    run.pipeline = pipeline;
    run.prepared = prepared;
    this.#schedule(run, prepared.rows);
  }

  #schedule(run: Run, rows: readonly SampleRow[]): void {
    const added = rows.map((row) => new ScheduledRow(run, row));
    run.left += added.length;
    run.rows.push(...added);
    this.scheduler.add(added);
  }

  /** One call of a denoiser, and what follows from it. */
  async #call(tick: Tick<ScheduledRow>): Promise<void> {
    const runs = [...new Set(tick.rows.map((row) => row.run))];
    const { part, pipeline } = runs[0]!;
    const shape = tick.rows[0]!.row.shape;
    const began = performance.now();
    for (const run of runs) run.startedAt ||= began;
    const before = tick.rows.map((row) => row.done);
    await this.#guard(runs, async () => {
      await pipeline!.advance(shape, tick.rows.map((row) => row.row), tick.steps);
      this.#lastCall = (performance.now() - began) / 1000;
      for (const { ticks, startedAt } of runs) ticks?.add({ at: began - startedAt, ms: 1000 * this.#lastCall, rows: tick.weight, steps: tick.steps });
      send({ type: "tick", task: part.task, rows: tick.weight, steps: tick.steps, seconds: this.#lastCall, pending: this.scheduler.pending, seen: this.#seen });
      this.#reportMemory();
      for (const [i, row] of tick.rows.entries()) await this.#guard([row.run], () => this.#report(row, before[i]!));
      for (const row of this.scheduler.settle(tick)) await this.#guard([row.run], () => this.#collect(row));
    });
    if (![...this.scheduler.shapes].includes(tick.shape)) pipeline!.release(shape);
  }

  async #report({ run, row }: ScheduledRow, before: number): Promise<void> {
    const { everySteps } = run.part;
    if (everySteps === undefined || run.cancelled || row.done === before) return;
    const due = row.done === row.steps || Math.floor(row.done / everySteps) > Math.floor(before / everySteps);
    if (due) send({ type: "event", id: run.id, event: await run.pipeline!.read(row) });
  }

  async #collect({ run, row }: ScheduledRow): Promise<void> {
    await run.pipeline!.collect(row);
    run.left -= 1;
    if (run.left > 0 || run.cancelled) return;
    const more = run.pipeline!.more(run.prepared!);
    if (more.length > 0) return this.#schedule(run, more);
    const told = run.part.everySteps === undefined ? undefined : (event: StepEvent) => send({ type: "event", id: run.id, event });
    while (await run.pipeline!.revise(run.prepared!, told)) {
      await breathe();
      if (run.cancelled) return;
    }
    const result = run.pipeline!.finish(run.prepared!, performance.now() - run.startedAt);
    result.timings.queue = run.queueMs;
    if (run.ticks) result.ticks = run.ticks.spans;
    this.#end(run, { type: "done", id: run.id, result });
  }

  /** Does something for runs; what goes wrong is theirs alone. */
  async #guard(runs: readonly Run[], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const trace = traceOf(error);
      if (OUT_OF_MEMORY.test(trace.message)) process.exit(OUT_OF_MEMORY_EXIT);
      for (const run of runs) {
        if (run.cancelled || !this.#runs.has(run.id)) continue;
        this.#drop(run);
        const fault = error instanceof TdiError ? error.toFault() : undefined;
        this.#end(run, fault ? { type: "failed", id: run.id, fault } : { type: "failed", id: run.id, fault: INTERNAL, trace });
      }
    }
  }

  #cancel(run: Run): void {
    run.cancelled = true;
    this.#drop(run);
    this.#end(run, { type: "cancelled", id: run.id });
  }

  /** Takes a run's rows out of the queue and the batch. */
  #drop(run: Run): void {
    this.#waiting = this.#waiting.filter((other) => other !== run);
    this.scheduler.remove(run.rows);
  }

  #end(run: Run, message: FromWorker): void {
    this.#runs.delete(run.id);
    send(message);
  }

  /** Now and then, so that a limit can be held. */
  #reportMemory(): void {
    const now = performance.now();
    if (now - this.#memoryAt < MEMORY_MS) return;
    this.#memoryAt = now;
    send({ type: "memory", bytes: process.memoryUsage.rss() });
  }
}

/** Lets messages in. */
function breathe(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}

function send(message: FromWorker): void {
  // The callback swallows the error of a channel closed by the other side; `disconnect` then ends this process.
  process.send?.(message, undefined, undefined, () => undefined);
}
