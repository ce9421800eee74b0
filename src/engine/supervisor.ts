import type { BundleSummary } from "./contract.js";
import { EngineProcess, type EndReason, type EngineProcessOptions } from "./engine-process.js";
import type { FromWorker, ToWorker } from "./protocol.js";

export interface SupervisorEvents {
  /** Asked before a loaded process is put to use: why it must not be, fit to show an operator, or undefined. */
  refusal(bundles: BundleSummary[]): string | undefined;
  /** The process is loaded and warm; the first time and after each restart. */
  onReady(bundles: BundleSummary[], seconds: number): void;
  onMessage(message: FromWorker): void;
  onMemory(bytes: number): void;
  /** The process is gone with whatever it worked on; the next is forked after `backoffMs`. */
  onDown(reason: EndReason, detail: string, backoffMs: number): void;
}

const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 30_000;
/** After a life this long the next backoff starts from the first again. */
const STABLE_MS = 60_000;

/** Keeps one engine process alive: forks it and, once it has been ready, replaces it whenever it ends. */
export class Supervisor {
  #process: EngineProcess | undefined;
  #ready = false;
  #readyAt = 0;
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;
  #stopped: (() => void) | undefined;

  constructor(private readonly options: EngineProcessOptions, private readonly events: SupervisorEvents) {}

  get ready(): boolean {
    return this.#ready;
  }

  /** Process id of the engine, undefined while there is none. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Forks the first process and waits until it is ready; never settles when `stop` comes first.
   * @throws Error when it ends before that; such a process is not replaced, because the next would fail alike
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => this.#fork(resolve, reject));
  }

  send(message: ToWorker): void {
    this.#process?.send(message);
  }

  /** Ends the process for good. */
  async stop(): Promise<void> {
    clearTimeout(this.#restart);
    this.#ready = false;
    const process = this.#process;
    if (!process) return;
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
      process.kill("crash", "stopped");
    });
  }

  #fork(onFirstReady?: () => void, onFirstFailure?: (error: Error) => void): void {
    let everReady = onFirstFailure === undefined;
    this.#process = new EngineProcess(this.options, {
      onReady: (bundles, seconds) => {
        const refusal = this.events.refusal(bundles);
        if (refusal !== undefined) return this.#process?.kill("load", refusal);
        everReady = true;
        this.#ready = true;
        this.#readyAt = performance.now();
        this.events.onReady(bundles, seconds);
        onFirstReady?.();
      },
      onMessage: (message) => this.events.onMessage(message),
      onMemory: (bytes) => this.events.onMemory(bytes),
      onEnd: (reason, detail) => {
        this.#process = undefined;
        if (this.#stopped) this.#stopped();
        else if (everReady) this.#replace(reason, detail);
        else onFirstFailure?.(new Error(detail));
      },
    });
  }

  #replace(reason: EndReason, detail: string): void {
    if (this.#ready && performance.now() - this.#readyAt > STABLE_MS) this.#failures = 0;
    this.#ready = false;
    const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, LAST_BACKOFF_MS);
    this.#failures += 1;
    this.#restart = setTimeout(() => this.#fork(), backoffMs);
    this.events.onDown(reason, detail, backoffMs);
  }
}
