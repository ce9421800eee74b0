import { setTimeout as pause } from "node:timers/promises";
import type { Engine } from "../engine/engine.js";

/** Milliseconds between two looks at the queue. */
const LOOK_MS = 20;
/** Most milliseconds that a line is held back for others: under a load that never ends, a batch goes on slowly instead of not at all. */
const MOST_HELD_MS = 10_000;

/**
 * The way of batch lines into the engine, behind interactive requests: at most so many lines of all batches together are in it,
 * and one goes in when nothing else waits there, or when it has been held back for long enough. So an interactive request finds at most those few lines before it.
 */
export class BatchLane {
  #inside = 0;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly engine: Pick<Engine, "waiting">,
    private readonly places: number,
  ) {}

  /** Runs the work when its turn has come. @throws the signal's reason */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.places) await new Promise<void>((resume) => this.#waiting.push(resume));
    else this.#inside += 1;
    try {
      const began = performance.now();
      while (this.engine.waiting > 0 && performance.now() - began < MOST_HELD_MS) await pause(LOOK_MS, undefined, { signal });
      signal.throwIfAborted();
      return await work();
    } finally {
      // The place goes to the next in line, or is free.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inside -= 1;
    }
  }
}
