/**
 * Which rows share the next call. Pure logic: it knows no model and no time, so that the same class drives an engine
 * process, the tests and the simulated devices of bench/.
 */

export const BATCHINGS = ["continuous", "static", "off"] as const;
/**
 * continuous: rows join and leave at every call. static: a batch is collected and run to its end, as it was before
 * continuous batching. off: one row at a time to its end. The last two are there to be measured against.
 */
export type Batching = (typeof BATCHINGS)[number];

/** What the scheduler needs to know of a row; whoever runs the calls counts `done` up. */
export interface SchedulableRow {
  /** Only rows of one shape (canvas and padded source width) can share a call. */
  readonly shape: string;
  /** Rows it takes in a call: two with guidance. */
  readonly weight: number;
  readonly steps: number;
  readonly done: number;
}

export interface StepSchedulerOptions {
  batching: Batching;
  /** Most rows under way, weights counted; a single row that is heavier runs alone. */
  maxRows: number;
  /** Most steps in one call (k). */
  stepsPerCall: number;
}

/** The next call: all rows that are under way in one shape. */
export interface Tick<R> {
  shape: string;
  rows: readonly R[];
  /** Rows in the call, weights counted. */
  weight: number;
  steps: number;
}

export class StepScheduler<R extends SchedulableRow> {
  #waiting: R[] = [];
  /** Rows under way. The shape whose turn is next stands first. */
  #active = new Map<string, R[]>();
  #activeWeight = 0;

  constructor(private readonly options: StepSchedulerOptions) {}

  /** Weight that could join at the next call: new work is worth preparing while it is above 0. */
  get room(): number {
    const { batching, maxRows } = this.options;
    const waiting = weightOf(this.#waiting);
    if (batching === "continuous") return maxRows - this.#activeWeight - waiting;
    // The next batch may be collected while one is under way.
    return (batching === "off" ? 1 : maxRows) - waiting - (batching === "off" ? this.#activeWeight : 0);
  }

  /** True while a static batch is being collected: it waits for all work there is. */
  get gathering(): boolean {
    return this.options.batching === "static" && this.#active.size === 0;
  }

  /** Row-steps still to do, weights counted: how busy the device will be with what it has. */
  get pending(): number {
    const rest = (rows: readonly R[]) => rows.reduce((sum, row) => sum + row.weight * (row.steps - row.done), 0);
    return rest(this.#waiting) + [...this.#active.values()].reduce((sum, rows) => sum + rest(rows), 0);
  }

  /** Shapes that have rows under way. */
  get shapes(): Iterable<string> {
    return this.#active.keys();
  }

  /** True while no row is under way or waits. */
  get idle(): boolean {
    return this.#active.size === 0 && this.#waiting.length === 0;
  }

  add(rows: Iterable<R>): void {
    this.#waiting.push(...rows);
  }

  /** Takes rows out, wherever they are. */
  remove(rows: Iterable<R>): void {
    const gone = new Set(rows);
    this.#waiting = this.#waiting.filter((row) => !gone.has(row));
    for (const shape of [...this.#active.keys()]) this.#keep(shape, (row) => !gone.has(row));
  }

  /** The next call, after waiting rows have joined; undefined while there is nothing to do. */
  next(): Tick<R> | undefined {
    this.#join();
    const first = this.#active.entries().next();
    if (first.done) return undefined;
    const [shape, rows] = first.value;
    // The turn goes round: the shape goes behind the others.
    this.#active.delete(shape);
    this.#active.set(shape, rows);
    const left = rows.reduce((most, row) => Math.max(most, row.steps - row.done), 0);
    return { shape, rows: [...rows], weight: weightOf(rows), steps: Math.min(this.options.stepsPerCall, left) };
  }

  /** After a call: the rows that are done with it and leave. In a static batch none does before all are. */
  settle({ shape }: Tick<R>): R[] {
    const rows = this.#active.get(shape) ?? [];
    const done = rows.filter((row) => row.done >= row.steps);
    if (this.options.batching === "static" && done.length < rows.length) return [];
    this.#keep(shape, (row) => row.done < row.steps);
    return done;
  }

  /** Rows under way keep their places; new ones take what is free, in the order in which they came. */
  #join(): void {
    const { batching, maxRows } = this.options;
    if (batching !== "continuous" && this.#active.size > 0) return;
    const only = batching === "static" ? this.#waiting[0]?.shape : undefined;
    const stay: R[] = [];
    let full = false;
    for (const row of this.#waiting) {
      const first = this.#activeWeight === 0;
      const fits = first || (batching !== "off" && this.#activeWeight + row.weight <= maxRows);
      // A static batch takes what fits its shape; otherwise nobody overtakes.
      if (only !== undefined ? row.shape !== only || !fits : full || !fits) {
        full = true;
        stay.push(row);
        continue;
      }
      const rows = this.#active.get(row.shape) ?? [];
      rows.push(row);
      this.#active.set(row.shape, rows);
      this.#activeWeight += row.weight;
    }
    this.#waiting = stay;
  }

  #keep(shape: string, stays: (row: R) => boolean): void {
    const rows = this.#active.get(shape) ?? [];
    const kept = rows.filter(stays);
    this.#activeWeight -= weightOf(rows) - weightOf(kept);
    if (kept.length > 0) this.#active.set(shape, kept);
    else this.#active.delete(shape);
  }
}

function weightOf(rows: readonly SchedulableRow[]): number {
  return rows.reduce((sum, row) => sum + row.weight, 0);
}
