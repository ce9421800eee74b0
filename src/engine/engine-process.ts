import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setPriority } from "node:os";
import type { BundleSummary } from "./contract.js";
import { type EngineLoadOptions, type FromWorker, isRunEnd, OUT_OF_MEMORY_EXIT, type ToWorker } from "./protocol.js";

export interface EngineProcessOptions {
  /** The worker's entry file. */
  worker: URL;
  load: EngineLoadOptions;
  /** Bytes of memory it may occupy. */
  maxMemoryBytes: number;
  /** Milliseconds a run may be without progress, or an idle process without an answer to a ping. */
  hangMs: number;
  /** Milliseconds from fork to ready. */
  loadMs: number;
}

/** Why a process ended: by itself, killed because it stood still, for want or excess of memory, or before it was ready. */
export type EndReason = "crash" | "hang" | "memory" | "load";

export interface EngineProcessEvents {
  onReady(bundles: BundleSummary[], seconds: number): void;
  /** Bytes the process occupies. */
  onMemory(bytes: number): void;
  /** Every message of the worker that is about runs. */
  onMessage(message: FromWorker): void;
  /** The last event, after the last message. `detail` is fit to show an operator. */
  onEnd(reason: EndReason, detail: string): void;
}

/** The server's own work goes before an engine's: health checks are answered at once while every core computes. */
const ENGINE_NICENESS = 2;

/** Left alone, an engine process would see the closed channel of an ended server only after its native call. */
const alive = new Set<ChildProcess>();
process.on("exit", () => alive.forEach((child) => child.kill("SIGKILL")));

/** Turns of the watch in `hangMs`. */
const WATCH_TURNS = 4;

/** One life of the engine process, from fork to exit. */
export class EngineProcess {
  #child: ChildProcess;
  #ready = false;
  #running = 0;
  #pinged = false;
  /** Turns of the watch since the process last showed that it gets on. Counted in turns, not by the clock, so that a pause of
   * the whole machine or container is not taken for a hang. */
  #quietTurns = 0;
  #end: { reason: EndReason; detail: string } | undefined;
  #loadTimer: NodeJS.Timeout;
  #watchTimer: NodeJS.Timeout;

  constructor(private readonly options: EngineProcessOptions, private readonly events: EngineProcessEvents) {
    this.#child = fork(options.worker, [], {
      serialization: "advanced",
      // --max-semi-space-size in MiB. An engine makes little garbage, all of it small; left to itself the heap keeps tens of MiB for it (training/RUNS.md). --expose-gc is for the end of loading.
      execArgv: ["--max-semi-space-size=1", "--expose-gc"],
      // Standard output carries the server's JSON lines alone; what native code prints goes to standard error.
      stdio: ["ignore", 2, 2, "ipc"],
      // They are read before the first line of JavaScript runs, so they are set here: no usage reports from ONNX Runtime, and how glibc keeps memory. Without arenas (session.ts) every
      // operator's output is a block of its own. Mapped one by one they cost more in page faults than the operators take; so those below 1 MiB come from the heap, which keeps 8 MiB at its top and gives back the rest.
      // One heap for all threads: those that load graphs would each keep a part of theirs, 25 MB of an engine.
      // The keys of the API are no business of an engine.
      env: { ...process.env, TDI_API_KEYS: undefined, ORT_DISABLE_TELEMETRY: "1", MALLOC_TRIM_THRESHOLD_: "65536", MALLOC_MMAP_THRESHOLD_: String(2 ** 20), MALLOC_TOP_PAD_: String(2 ** 23), MALLOC_ARENA_MAX: "1" },
    });
    if (this.#child.pid !== undefined) setNiceness(this.#child.pid);
    this.#child.on("message", (message) => this.#receive(message as FromWorker));
    this.#child.on("error", (error) => this.kill("crash", `the engine process could not be reached: ${error.message}`));
    // Messages sent just before the exit are still on their way at 'exit'; 'disconnect' comes after the last of them.
    const gone = [once(this.#child, "exit"), once(this.#child, "disconnect")] as const;
    void Promise.all(gone).then(([[code, signal]]) => this.#finish(code as number | null, signal as string | null));
    this.#loadTimer = setTimeout(() => this.kill("load", `the engine process was not ready after ${options.loadMs} ms`), options.loadMs);
    this.#watchTimer = setInterval(() => this.#watch(), options.hangMs / WATCH_TURNS);
    alive.add(this.#child);
    this.send({ type: "load", options: options.load });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a message; one to a process that has just ended is lost, and `onEnd` tells of it. */
  send(message: ToWorker): void {
    if (message.type === "run") {
      this.#running += 1;
      this.#quietTurns = 0;
    }
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Ends the process at once, in the middle of a native call too. */
  kill(reason: EndReason, detail: string): void {
    this.#end ??= { reason, detail };
    this.#child.kill("SIGKILL");
  }

  #receive(message: FromWorker): void {
    this.#quietTurns = 0;
    if (message.type === "pong") {
      this.#pinged = false;
    } else if (message.type === "load_failed") {
      this.#end ??= { reason: "load", detail: message.message };
    } else if (message.type === "ready") {
      clearTimeout(this.#loadTimer);
      this.#ready = true;
      this.events.onReady(message.bundles, message.seconds);
    } else if (message.type === "memory") {
      this.events.onMemory(message.bytes);
      const limit = this.options.maxMemoryBytes;
      if (message.bytes > limit) this.kill("memory", `the engine process occupied ${megabytes(message.bytes)} MB, over its limit of ${megabytes(limit)}`);
    } else {
      if (isRunEnd(message)) this.#running -= 1;
      this.events.onMessage(message);
    }
  }

  /** While a run is under way only its progress counts; an idle process has to answer pings. */
  #watch(): void {
    if (!this.#ready) return;
    if (this.#running === 0 && !this.#pinged) {
      this.#pinged = true;
      this.#quietTurns = 0;
      this.send({ type: "ping" });
    } else if (++this.#quietTurns > WATCH_TURNS) {
      this.kill("hang", `the engine process stood still for over ${this.options.hangMs} ms`);
    }
  }

  #finish(code: number | null, signal: string | null): void {
    clearTimeout(this.#loadTimer);
    clearInterval(this.#watchTimer);
    alive.delete(this.#child);
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const { reason, detail } = this.#end ?? {
      reason: !this.#ready ? "load" : code === OUT_OF_MEMORY_EXIT ? "memory" : "crash",
      detail: `the engine process ended ${this.#ready ? "unexpectedly" : "while loading"} (${how})`,
    };
    this.events.onEnd(reason, detail);
  }
}

function setNiceness(pid: number): void {
  try {
    setPriority(pid, ENGINE_NICENESS);
  } catch {
    // Not allowed here, or the process has ended already: it then runs as any other.
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
