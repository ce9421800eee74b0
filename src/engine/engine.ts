import { TdiError } from "../errors.js";
import type { Logger } from "../telemetry/logger.js";
import type { EngineState, Metrics } from "../telemetry/metrics.js";
import { Admission } from "./admission.js";
import { TASKS, type BundleSummary, type GenerateReply, type GenerateRequest, type StepEvent, type Task } from "./contract.js";
import { type EngineLoad, leastLoaded, targetWeight } from "./dispatcher.js";
import type { EndReason, EngineProcessOptions } from "./engine-process.js";
import { FairQueue } from "./fair-queue.js";
import { cancelError, type CancelReason, type Job, type Part, replyOf } from "./job.js";
import { observePart, observeReply, observeTick } from "./observe.js";
import { type FromWorker, isRunEnd, type RunEnd } from "./protocol.js";
import { Supervisor } from "./supervisor.js";

export interface EngineOptions extends EngineProcessOptions {
  /** Engine processes. */
  engines: number;
  maxQueuedRows: number;
  maxClientRows: number;
  /** Milliseconds from admission to the end of a request. */
  deadlineMs: number;
  logger: Logger;
  metrics: Metrics;
}

/** A text that outlives this many engine processes is taken for their killer. */
const MOST_ATTEMPTS = 2;
/** Up to so many texts of a lost process run again one by one: what is to blame must not take the innocent along again. Beyond, that would take too long. */
const MOST_SUSPECTS = 16;
/** Steps of a text whose bundle is not known yet, to weigh its work by. */
const USUAL_STEPS = 20;

/** What of a bundle decides about the text that a request gets. */
function identity(bundle: BundleSummary | undefined): string {
  return JSON.stringify([bundle?.model, bundle?.revision, bundle?.sha256, bundle?.defaults, bundle?.limits]);
}

/** One engine process and what it has. */
interface Slot extends EngineLoad {
  readonly supervisor: Supervisor;
  readonly parts: Map<number, Part>;
}

/**
 * The front of the engine: admits requests, lets their texts wait in fair order, and hands each to the engine process
 * that has least to do, as rows leave there.
 */
export class Engine {
  #admission: Admission;
  #queue = new FairQueue<Part>();
  /** Texts of lost processes; they go before the queue. */
  #again: Part[] = [];
  #slots: Slot[];
  #nextPart = 0;
  #jobs = new Set<Job>();
  #bundles = new Map<Task, BundleSummary>();
  #inRotation = true;
  #closing = false;
  #whenIdle: (() => void) | undefined;

  constructor(private readonly options: EngineOptions) {
    this.#admission = new Admission(options, () => performance.now());
    this.#slots = Array.from({ length: options.engines }, (_, index) => this.#slot(index));
    options.metrics.watch(() => this.#state());
  }

  /** True while a request would be taken: an engine process is warm and the server is not shutting down. */
  get ready(): boolean {
    return !this.#closing && this.#slots.some((slot) => slot.ready);
  }

  /** True while load balancers should send requests here: `ready`, and no shutdown has been announced. */
  get inRotation(): boolean {
    return this.ready && this.#inRotation;
  }

  /** The loaded bundles; empty before the first ready. */
  get bundles(): ReadonlyMap<Task, BundleSummary> {
    return this.#bundles;
  }

  /** Process id of the first engine process there is. */
  get pid(): number | undefined {
    return this.pids[0];
  }

  /** Process ids of the engine processes there are. */
  get pids(): number[] {
    return this.#slots.flatMap(({ supervisor }) => supervisor.pid ?? []);
  }

  /** Texts that no engine process has begun yet. */
  get waiting(): number {
    return this.#again.length + this.#queue.size;
  }

  /** Rows admitted, waiting and running. */
  get rows(): number {
    return this.#admission.rows;
  }

  /** Loads and warms the bundles in every engine process. @throws Error with the reason, fit to show an operator */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map(({ supervisor }) => supervisor.start()));
  }

  /**
   * Runs one request. Its slots are taken before any work; those of a text are freed once its engine process has let go of it.
   * @param signal aborted when the caller is gone
   * @param onProgress told of the step events that `request.progress` asks for, until the returned promise settles
   * @throws TdiError not_ready, client_over_share, queue_full, deadline_exceeded, engine_restarted, internal, or a fault of the request
   * @throws ClientGoneError after an abort
   */
  submit(request: GenerateRequest, signal: AbortSignal, onProgress?: (event: StepEvent) => void): Promise<GenerateReply> {
    if (!this.ready) {
      return Promise.reject(new TdiError("not_ready", this.#closing ? "The server is shutting down." : "The engine is loading or restarting."));
    }
    return new Promise((resolve, reject) => {
      const client = request.client ?? "";
      this.#admission.reserve(client, request.texts.length * request.options.bestOf);
      const deadline = setTimeout(() => this.#cancel(job, "deadline"), this.options.deadlineMs);
      const onAbort = () => this.#cancel(job, "client_gone");
      const settle = () => {
        job.settled = true;
        clearTimeout(deadline);
        signal.removeEventListener("abort", onAbort);
        this.#jobs.delete(job);
      };
      const job: Job = {
        request,
        client,
        admittedAt: performance.now(),
        parts: [],
        results: request.texts.map(() => undefined),
        checked: false,
        settled: false,
        onProgress,
        resolve: (reply) => (settle(), resolve(reply)),
        reject: (error) => (settle(), reject(error)),
      };
      job.parts.push(...request.texts.map((_, index) => this.#part(job, index)));
      this.#jobs.add(job);
      signal.addEventListener("abort", onAbort);
      // The others follow when the first has been sent and has found no fault in any text.
      this.#queue.push(job.parts[0]!);
      if (signal.aborted) onAbort();
      this.#advance();
    });
  }

  /** Tells load balancers to send no more requests; those that come are still taken. */
  leaveRotation(): void {
    this.#inRotation = false;
  }

  /** Takes no more requests and waits until those admitted are done; after `deadlineMs` the rest are cancelled. */
  async drain(deadlineMs: number): Promise<void> {
    this.#closing = true;
    const idle = new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#advance();
    const timer = setTimeout(() => {
      for (const job of [...this.#jobs]) this.#cancel(job, "shutdown");
      this.#whenIdle?.();
    }, deadlineMs);
    await idle;
    clearTimeout(timer);
  }

  /** Ends the engine processes. */
  async stop(): Promise<void> {
    await Promise.all(this.#slots.map(({ supervisor }) => supervisor.stop()));
  }

  #slot(index: number): Slot {
    const { metrics } = this.options;
    const supervisor = new Supervisor(this.options, {
      refusal: (bundles) => this.#refusal(bundles),
      onReady: (bundles, seconds) => this.#onReady(slot, bundles, seconds),
      onMessage: (message) => this.#onMessage(slot, message),
      onMemory: (bytes) => metrics.engineMemory.set({ engine: index }, bytes),
      onDown: (reason, detail, backoffMs) => this.#onDown(slot, reason, detail, backoffMs),
    });
    const slot: Slot = {
      supervisor,
      parts: new Map(),
      weight: 0,
      pending: 0,
      exclusive: false,
      get ready() {
        return supervisor.ready;
      },
    };
    return slot;
  }

  #part(job: Job, index: number): Part {
    const { task, options } = job.request;
    const defaults = this.#bundles.get(task)?.defaults;
    const guided = (options.guidance ?? defaults?.guidance ?? 0) > 0;
    const weight = options.bestOf * (guided ? 2 : 1);
    const work = weight * (options.steps ?? defaults?.steps ?? USUAL_STEPS);
    return { id: 0, job, index, task, client: job.client, rows: options.bestOf, weight, work, attempts: 0, suspect: false, sentAt: 0, over: false };
  }

  /** Sends what waits to engine processes with room. */
  #advance(): void {
    for (let next = this.#next(); next; next = this.#next()) this.#send(...next);
    if (this.#again.length === 0 && this.#queue.size === 0 && this.#slots.every(({ parts }) => parts.size === 0)) this.#whenIdle?.();
  }

  /** The next text to send, and where to. */
  #next(): [Slot, Part] | undefined {
    const target = targetWeight(this.options.load.scheduler);
    const again = this.#again[0];
    const first = again && leastLoaded(this.#slots, again.suspect ? 1 : target);
    if (first) return [first, this.#again.shift()!];
    // While a text waits for an engine that does nothing else, such an engine is kept for it, and the others serve on.
    const slot = leastLoaded(again?.suspect ? this.#slots.filter(({ weight }) => weight > 0) : this.#slots, target);
    const part = slot && this.#queue.shift();
    return part && [slot, part];
  }

  #send(slot: Slot, part: Part): void {
    const { task, texts, options, progress, traceTicks } = part.job.request;
    part.id = ++this.#nextPart;
    part.attempts += 1;
    part.sentAt = performance.now();
    slot.parts.set(part.id, part);
    slot.weight += part.weight;
    slot.pending += part.work;
    slot.exclusive = part.suspect;
    const check = part.index === 0 && texts.length > 1 ? { check: texts } : {};
    const request = { task, text: texts[part.index]!, index: part.index, options, ...(progress && { everySteps: progress.everySteps }), ...(traceTicks !== undefined && { traceTicks }) };
    slot.supervisor.send({ type: "run", id: part.id, part: request, ...check });
  }

  #cancel(job: Job, reason: CancelReason): void {
    if (job.settled) return;
    this.options.metrics.cancelled.inc({ reason });
    this.#giveUp(job, cancelError(reason, this.options.deadlineMs));
  }

  /** Answers the caller with an error; what is at work is told to stop, and its slots are free when it has. */
  #giveUp(job: Job, error: Error): void {
    if (job.settled) return;
    job.reject(error);
    const running = new Map<Part, Slot>(this.#slots.flatMap((slot) => [...slot.parts.values()].map((part) => [part, slot] as const)));
    for (const part of job.parts) {
      const slot = running.get(part);
      if (slot) {
        slot.supervisor.send({ type: "cancel", id: part.id });
      } else {
        this.#queue.remove(part);
        this.#again = this.#again.filter((other) => other !== part);
        this.#release(part, false);
      }
    }
    this.#advance();
  }

  /** Engines with different weights would give one seed two texts, so files that were swapped wait for a restart of the server. */
  #refusal(bundles: BundleSummary[]): string | undefined {
    if (this.#bundles.size === 0) return undefined;
    const changed = TASKS.filter((task) => identity(bundles.find((bundle) => bundle.task === task)) !== identity(this.#bundles.get(task)));
    return changed.length > 0 ? `the bundle for ${changed.join(" and ")} is not the one this server started with; restart the server to serve it` : undefined;
  }

  #onReady(slot: Slot, bundles: BundleSummary[], seconds: number): void {
    const { metrics, logger } = this.options;
    this.#bundles = new Map(bundles.map((bundle) => [bundle.task, bundle]));
    metrics.bundleInfo.reset();
    for (const { task, model, revision, precision, provider } of bundles) metrics.bundleInfo.set({ task, model, revision, precision, provider }, 1);
    logger.info({ bundles: bundles.map(({ task, model, provider }) => ({ task, model, provider })), pid: slot.supervisor.pid, seconds }, "engine ready");
    this.#advance();
  }

  #onMessage(slot: Slot, message: FromWorker): void {
    if (message.type === "tick") {
      slot.pending = message.pending + sum([...slot.parts.values()].filter((part) => part.id > message.seen).map((part) => part.work));
      observeTick(this.options.metrics, message, this.options.load.scheduler.maxRows);
      return;
    }
    const part = "id" in message ? slot.parts.get(message.id) : undefined;
    if (!part) return;
    const { job } = part;
    if (message.type === "checked") {
      if (!job.settled && !job.checked) for (const other of job.parts.slice(1)) this.#queue.push(other);
      job.checked = true;
      this.#advance();
    } else if (message.type === "event") {
      if (!job.settled) job.onProgress?.(message.event);
    } else if (isRunEnd(message)) {
      this.#onEnd(slot, part, message);
    }
  }

  #onEnd(slot: Slot, part: Part, message: RunEnd): void {
    const { job } = part;
    this.#leave(slot, part);
    this.#release(part, message.type === "done");
    if (message.type === "failed") {
      const error = TdiError.fromFault(message.fault);
      error.cause = message.trace;
      this.#giveUp(job, error);
    } else if (message.type === "done" && !job.settled) {
      const { result } = message;
      result.timings.queue += part.sentAt - job.admittedAt;
      observePart(this.options.metrics, part.job.request.task, result);
      job.results[part.index] = result;
      if (job.results.every((each) => each !== undefined)) {
        observeReply(this.options.metrics, job.request.task, job.results[0]!);
        job.resolve(replyOf(job));
      }
    }
    this.#advance();
  }

  /** What the lost process worked on runs once more on another; the seed is kept, so the text is the same. */
  #onDown(slot: Slot, reason: EndReason, detail: string, backoffMs: number): void {
    this.options.metrics.engineRestarts.inc({ reason });
    this.options.logger.error({ reason, detail, backoff_ms: backoffMs }, "engine down");
    const lost = [...slot.parts.values()];
    for (const part of lost) {
      this.#leave(slot, part);
      if (!part.job.settled && part.attempts < MOST_ATTEMPTS) {
        part.suspect = lost.length <= MOST_SUSPECTS;
        this.#again.push(part);
      } else {
        this.#release(part, false);
        this.#giveUp(part.job, new TdiError("engine_restarted", "The engine ended twice while it worked on this request."));
      }
    }
    this.#advance();
  }

  /** The engine process is done with the text. */
  #leave(slot: Slot, part: Part): void {
    slot.parts.delete(part.id);
    slot.weight -= part.weight;
    if (slot.parts.size > 0) return;
    slot.pending = 0;
    slot.exclusive = false;
  }

  #release(part: Part, done: boolean): void {
    if (part.over) return;
    part.over = true;
    this.#admission.release(part.client, part.rows, done);
  }

  /** For the gauges, when they are read. */
  #state(): EngineState {
    const waiting = [...this.#again, ...this.#queue];
    const running = this.#slots.flatMap(({ parts }) => [...parts.values()]);
    const since = waiting.reduce((earliest, { job }) => Math.min(earliest, job.admittedAt), performance.now());
    return {
      queueLength: waiting.length,
      queueRows: sum(waiting.map((part) => part.rows)),
      queueOldestSeconds: (performance.now() - since) / 1000,
      inFlightRows: sum(running.map((part) => part.rows)),
      enginesReady: this.#slots.filter((slot) => slot.ready).length,
    };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
