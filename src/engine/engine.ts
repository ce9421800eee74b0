import { TdiError } from "../errors.js";
import type { Logger } from "../telemetry/logger.js";
import type { Metrics } from "../telemetry/metrics.js";
import { Admission } from "./admission.js";
import type { BundleSummary, GenerateReply, GenerateRequest, StepEvent, Task } from "./contract.js";
import type { EndReason, EngineProcessOptions } from "./engine-process.js";
import { cancelError, type CancelReason, type Job } from "./job.js";
import { observeReply } from "./observe.js";
import type { FromWorker, RunEnd } from "./protocol.js";
import { Supervisor } from "./supervisor.js";

export interface EngineOptions extends EngineProcessOptions {
  maxQueuedRows: number;
  /** Milliseconds from admission to the end of a request. */
  deadlineMs: number;
  logger: Logger;
  metrics: Metrics;
}

/** A run that outlives this many engine processes is taken for their killer. */
const MOST_ATTEMPTS = 2;

/** The front of the engine: admits requests, lets them wait, hands them to the engine process one at a time in order. */
export class Engine {
  #supervisor: Supervisor;
  #admission: Admission;
  #waiting: Job[] = [];
  #current: Job | undefined;
  #jobs = 0;
  #bundles = new Map<Task, BundleSummary>();
  #closing = false;
  #whenIdle: (() => void) | undefined;

  constructor(private readonly options: EngineOptions) {
    this.#admission = new Admission(options.maxQueuedRows);
    this.#supervisor = new Supervisor(options, {
      onReady: (bundles, seconds) => this.#onReady(bundles, seconds),
      onMessage: (message) => this.#onMessage(message),
      onDown: (reason, detail, backoffMs) => this.#onDown(reason, detail, backoffMs),
    });
  }

  /** True while a request would be taken: the engine process is warm and the server is not shutting down. */
  get ready(): boolean {
    return this.#supervisor.ready && !this.#closing;
  }

  /** The loaded bundles; empty before the first ready. */
  get bundles(): ReadonlyMap<Task, BundleSummary> {
    return this.#bundles;
  }

  /** Process id of the engine process, undefined while there is none. */
  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** Loads and warms the bundles. @throws Error with the reason, fit to show an operator */
  start(): Promise<void> {
    return this.#supervisor.start();
  }

  /**
   * Runs one request. Its slots are taken before any work and freed once the engine process has let go of it.
   * @param signal aborted when the caller is gone
   * @param onProgress told of the step events that `request.progress` asks for, until the returned promise settles
   * @throws TdiError not_ready, queue_full, deadline_exceeded, engine_restarted, internal, or a fault of the request
   * @throws ClientGoneError after an abort
   */
  submit(request: GenerateRequest, signal: AbortSignal, onProgress?: (event: StepEvent) => void): Promise<GenerateReply> {
    if (!this.ready) {
      return Promise.reject(new TdiError("not_ready", this.#closing ? "The server is shutting down." : "The engine is loading or restarting."));
    }
    const rows = request.texts.length * request.options.numCandidates;
    return new Promise((resolve, reject) => {
      this.#admission.reserve(rows);
      const deadline = setTimeout(() => this.#cancel(job, "deadline"), this.options.deadlineMs);
      const onAbort = () => this.#cancel(job, "client_gone");
      const settle = () => {
        job.settled = true;
        clearTimeout(deadline);
        signal.removeEventListener("abort", onAbort);
      };
      const job: Job = {
        id: ++this.#jobs,
        request,
        rows,
        admittedAt: performance.now(),
        sentAt: 0,
        attempts: 0,
        settled: false,
        onProgress,
        resolve: (reply) => (settle(), resolve(reply)),
        reject: (error) => (settle(), reject(error)),
      };
      signal.addEventListener("abort", onAbort);
      this.#waiting.push(job);
      if (signal.aborted) onAbort();
      this.#advance();
    });
  }

  /** Takes no more requests and waits until those admitted are done; after `deadlineMs` the rest are cancelled. */
  async drain(deadlineMs: number): Promise<void> {
    this.#closing = true;
    const idle = new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#advance();
    const timer = setTimeout(() => {
      for (const job of [this.#current, ...this.#waiting]) if (job) this.#cancel(job, "shutdown");
      this.#whenIdle?.();
    }, deadlineMs);
    await idle;
    clearTimeout(timer);
  }

  /** Ends the engine process. */
  stop(): Promise<void> {
    return this.#supervisor.stop();
  }

  /** Sends the next job when the engine process is free, and keeps the gauges true. */
  #advance(): void {
    if (!this.#current && this.#supervisor.ready) {
      this.#current = this.#waiting.shift();
      if (this.#current) {
        const { id, request } = this.#current;
        this.#current.attempts += 1;
        this.#current.sentAt = performance.now();
        this.#supervisor.send({ type: "run", id, request });
      }
    }
    const { metrics } = this.options;
    metrics.queueLength.set(this.#waiting.length);
    metrics.queueRows.set(this.#waiting.reduce((rows, job) => rows + job.rows, 0));
    metrics.inFlightRows.set(this.#current?.rows ?? 0);
    metrics.engineReady.set(this.#supervisor.ready ? 1 : 0);
    if (!this.#current && this.#waiting.length === 0) this.#whenIdle?.();
  }

  #cancel(job: Job, reason: CancelReason): void {
    if (job.settled) return;
    this.options.metrics.cancelled.inc({ reason });
    job.reject(cancelError(reason, this.options.deadlineMs));
    if (job === this.#current) {
      this.#supervisor.send({ type: "cancel", id: job.id });
      return;
    }
    this.#waiting = this.#waiting.filter((other) => other !== job);
    this.#admission.release(job.rows);
    this.#advance();
  }

  #onReady(bundles: BundleSummary[], seconds: number): void {
    const { metrics, logger } = this.options;
    this.#bundles = new Map(bundles.map((bundle) => [bundle.task, bundle]));
    metrics.bundleInfo.reset();
    for (const { task, model, revision, precision, provider } of bundles) metrics.bundleInfo.set({ task, model, revision, precision, provider }, 1);
    logger.info({ bundles: bundles.map(({ task, model, provider }) => ({ task, model, provider })), pid: this.pid, seconds }, "engine ready");
    this.#advance();
  }

  #onMessage(message: FromWorker): void {
    const job = this.#current;
    if (!job || !("id" in message) || message.id !== job.id) return;
    if (message.type === "step") {
      const { task } = job.request;
      this.options.metrics.stepSeconds.observe({ task }, message.seconds);
      this.options.metrics.stepRows.observe({ task }, message.rows);
    } else if (message.type === "event") {
      if (!job.settled) job.onProgress?.(message.event);
    } else if (message.type !== "progress") {
      this.#onEnd(job, message);
    }
  }

  #onEnd(job: Job, message: RunEnd): void {
    if (message.type === "done") this.#admission.measure(job.rows, (performance.now() - job.sentAt) / 1000);
    this.#leave(job);
    if (!job.settled) {
      if (message.type === "done") {
        const queue = job.sentAt - job.admittedAt;
        const reply = { ...message.reply, timings: { ...message.reply.timings, queue } };
        observeReply(this.options.metrics, job.request.task, reply);
        job.resolve(reply);
      } else if (message.type === "failed") {
        const error = TdiError.fromFault(message.fault);
        error.cause = message.trace;
        job.reject(error);
      }
    }
    this.#advance();
  }

  /** What the lost process worked on runs once more on the next one; the seed is kept, so the text is the same. */
  #onDown(reason: EndReason, detail: string, backoffMs: number): void {
    this.options.metrics.engineRestarts.inc({ reason });
    this.options.logger.error({ reason, detail, backoff_ms: backoffMs }, "engine down");
    const job = this.#current;
    if (job && !job.settled && job.attempts < MOST_ATTEMPTS) {
      this.#waiting.unshift(job);
      this.#free(job);
    } else if (job) {
      this.#leave(job);
      if (!job.settled) job.reject(new TdiError("engine_restarted", "The engine ended twice while it worked on this request."));
    }
    this.#advance();
  }

  /** The engine process is done with the job, and so are its slots. */
  #leave(job: Job): void {
    this.#free(job);
    this.#admission.release(job.rows);
  }

  #free(job: Job): void {
    this.#current = undefined;
    this.options.metrics.busySeconds.inc((performance.now() - job.sentAt) / 1000);
  }
}
