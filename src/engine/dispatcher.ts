import type { StepSchedulerOptions } from "./step-scheduler.js";

/**
 * How far the front fills an engine, of the rows that may be under way there: a quarter of a batch waits there, so that a
 * row that leaves is replaced at the next call, and the rest waits where its order can still change. Where no row joins a
 * batch under way, the whole next batch waits there.
 */
const OCCUPANCY_TARGET = { continuous: 1.25, static: 2, off: 2 } as const;

/** Weight up to which an engine is given more. */
export function targetWeight({ batching, maxRows }: StepSchedulerOptions): number {
  return Math.ceil((batching === "off" ? 1 : maxRows) * OCCUPANCY_TARGET[batching]);
}

/** An engine as the front sees it. */
export interface EngineLoad {
  readonly ready: boolean;
  /** Weight of the rows it has. */
  weight: number;
  /** Row-steps it has still to do. */
  pending: number;
  /** It works on something that must have no company. */
  exclusive: boolean;
}

/**
 * The engine that gets the next piece of work: of those with room the one with the least left to do. Room is counted
 * before the piece, so that a heavy one finds its place as well as a light one.
 * @param target as of `targetWeight`; 1 finds an idle engine, for a piece that must have no company
 */
export function leastLoaded<E extends EngineLoad>(engines: readonly E[], target: number): E | undefined {
  let best: E | undefined;
  for (const engine of engines) {
    if (!engine.ready || engine.exclusive || engine.weight >= target) continue;
    if (best === undefined || engine.pending < best.pending) best = engine;
  }
  return best;
}
