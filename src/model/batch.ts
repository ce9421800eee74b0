import type * as ort from "onnxruntime-node";
import type { Condition } from "../conditioning/condition.js";
import { gaussian } from "./noise.js";
import { type Feeds, floats, longs } from "./session.js";
import type { SolverStep } from "./solver.js";

/** One row to denoise. */
export interface Row {
  condition: Condition;
  seed: number;
  candidate: number;
  /** Recorded values in place of drawn ones, to compare with another program's run. */
  recorded?: {
    /** [canvas, hidden] for step 0 (the initial state) and for step i + 1 (what step i adds). */
    noise(step: number): Float32Array;
    /** [canvas, hidden] that the first step takes as the last prediction; zero when absent. */
    previous?: Float32Array;
  };
}

/** A row under way: its own solver, grid, step count and guidance, whatever its batch mates have. */
export interface BatchRow extends Row {
  readonly plan: readonly SolverStep[];
  /** Classifier-free guidance weight; 0 is off. */
  readonly guidance: number;
  /** Steps done, of `plan.length`. */
  done: number;
}

export interface DenoiserShape {
  hidden: number;
  heads: number;
}

/** The one-step graph, and where a bundle has it the graph of several steps a call (training/tdi_training/loop.py). */
export interface DenoiserSessions {
  step: ort.InferenceSession;
  loop?: ort.InferenceSession;
}

/** A place in the call: a row, or its twin on the null condition, which moves with it. */
interface Slot {
  row: BatchRow;
  twin: boolean;
}

/** Values of a row in each per-row tensor. */
interface Sizes {
  state: number;
  deep: number;
  width: number;
}

const COEFFICIENTS = 6;
/** Leaves x as it is: what a row does in the calls' steps that lie beyond its last. */
const IDLE: SolverStep = { t: 1, cx: 1, c0: 0, cPrevious: 0, cNoise: 0, cSource: 0, cSkip: 0, cOut: 1 };

/**
 * Rows of one canvas and one source width that share calls of the denoiser, each at its own step. Every row keeps its
 * place in the stacked tensors from call to call: a row that joins is written once, one that leaves is replaced by the
 * last, and the outputs of a call are the inputs of the next without a copy.
 */
export class DenoiserBatch {
  #slots: Slot[] = [];
  #capacity = 0;
  readonly #sizes: Sizes;
  #keys = new Float32Array(0);
  #values = new Float32Array(0);
  #bias = new Float32Array(0);
  /** Present state and prediction, and where the next call writes them; swapped after each call. */
  #x = new Float32Array(0);
  #previous = new Float32Array(0);
  #nextX = new Float32Array(0);
  #nextPrevious = new Float32Array(0);

  #quiet = new Float32Array(0);

  constructor(
    private readonly sessions: DenoiserSessions,
    private readonly shape: DenoiserShape,
    private readonly canvas: number,
    private readonly width: number,
    private readonly nullCondition: Condition,
  ) {
    this.#sizes = { state: canvas * shape.hidden, deep: nullCondition.keys.length, width };
  }

  /** Rows in the next call, twins included. */
  get slots(): number {
    return this.#slots.length;
  }

  /** Makes `rows` the members: others leave, new ones join at their first step. */
  sync(rows: readonly BatchRow[]): void {
    const wanted = new Set(rows);
    for (let place = this.#slots.length - 1; place >= 0; place -= 1) {
      if (!wanted.has(this.#slots[place]!.row)) this.#remove(place);
    }
    const present = new Set(this.#slots.map((slot) => slot.row));
    for (const row of rows) if (!present.has(row)) this.#join(row);
  }

  /**
   * Takes every member `steps` steps on, in one call; more than one needs the loop graph. A row with fewer left stops at
   * its last.
   */
  async advance(steps: number): Promise<void> {
    const count = this.#slots.length;
    const { hidden, heads } = this.shape;
    const { state: size, deep: deepSize } = this.#sizes;
    const state = [count, this.canvas, hidden];
    // As many attentions to the source as the condition graph makes keys for: of every block, and of a copying output.
    const deep = [count, deepSize / (this.width * hidden), heads, this.width, hidden / heads];
    const view = (data: Float32Array, size: number) => data.subarray(0, count * size);
    const looped = steps > 1;
    const session = looped ? this.sessions.loop : this.sessions.step;
    if (session === undefined) throw new Error("the bundle has no graph of several steps a call");
    await session.run(
      {
        x: floats(view(this.#x, size), ...state),
        previous: floats(view(this.#previous, size), ...state),
        keys: floats(view(this.#keys, deepSize), ...deep),
        values: floats(view(this.#values, deepSize), ...deep),
        bias: floats(view(this.#bias, this.width), count, this.width),
        ...this.#guidance(),
        ...this.#perStep(steps, looped ? [steps] : []),
      },
      { x_next: floats(view(this.#nextX, size), ...state), x0: floats(view(this.#nextPrevious, size), ...state) },
    );
    [this.#x, this.#nextX] = [this.#nextX, this.#x];
    [this.#previous, this.#nextPrevious] = [this.#nextPrevious, this.#previous];
    for (const { row, twin } of this.#slots) if (!twin) row.done = Math.min(row.done + steps, row.plan.length);
  }

  /** A copy of a member's state [canvas, hidden]; after its last step, the result. */
  state(row: BatchRow): Float32Array {
    return this.#copy(this.#x, row);
  }

  /** A copy of the (guided) prediction of x0 [canvas, hidden] of a member's last step. */
  prediction(row: BatchRow): Float32Array {
    return this.#copy(this.#previous, row);
  }

  /**
   * Puts another prediction of x0 [canvas, hidden] in place of a member's last: its state moves by c0 times the difference,
   * so that it is what the step would have made of that prediction.
   */
  replacePrediction(row: BatchRow, x0: Float32Array): void {
    const { c0 } = row.plan[row.done - 1]!;
    const size = this.#sizes.state;
    this.#slots.forEach((slot, place) => {
      if (slot.row !== row) return;
      const x = this.#x.subarray(place * size, (place + 1) * size);
      const previous = this.#previous.subarray(place * size, (place + 1) * size);
      for (let i = 0; i < size; i++) x[i]! += c0 * (x0[i]! - previous[i]!);
      previous.set(x0);
    });
  }

  #copy(data: Float32Array, row: BatchRow): Float32Array {
    const place = this.#slots.findIndex((slot) => slot.row === row && !slot.twin);
    if (place < 0) throw new RangeError("the row is no member of the batch");
    return data.slice(place * this.#sizes.state, (place + 1) * this.#sizes.state);
  }

  #join(row: BatchRow): void {
    const twins = row.guidance > 0 ? [false, true] : [false];
    this.#reserve(this.#slots.length + twins.length);
    const { state, deep, width } = this.#sizes;
    for (const twin of twins) {
      const place = this.#slots.length;
      const condition = twin ? this.nullCondition : row.condition;
      this.#keys.set(condition.keys, place * deep);
      this.#values.set(condition.values, place * deep);
      this.#bias.set(condition.bias, place * width);
      this.#drawNoise(row, 0, this.#x.subarray(place * state, (place + 1) * state));
      this.#previous.fill(0, place * state, (place + 1) * state);
      if (row.recorded?.previous) this.#previous.set(row.recorded.previous, place * state);
      this.#slots.push({ row, twin });
    }
  }

  #remove(place: number): void {
    const last = this.#slots.length - 1;
    const { state, deep, width } = this.#sizes;
    if (place !== last) {
      for (const [data, size] of [[this.#keys, deep], [this.#values, deep], [this.#bias, width], [this.#x, state], [this.#previous, state]] as const) {
        data.copyWithin(place * size, last * size, (last + 1) * size);
      }
      this.#slots[place] = this.#slots[last]!;
    }
    this.#slots.pop();
  }

  #reserve(slots: number): void {
    if (slots <= this.#capacity) return;
    this.#capacity = Math.max(slots, 2 * this.#capacity);
    const { state, deep, width } = this.#sizes;
    const grown = (data: Float32Array, size: number) => {
      const larger = new Float32Array(this.#capacity * size);
      larger.set(data);
      return larger;
    };
    this.#keys = grown(this.#keys, deep);
    this.#values = grown(this.#values, deep);
    this.#bias = grown(this.#bias, width);
    this.#x = grown(this.#x, state);
    this.#previous = grown(this.#previous, state);
    this.#nextX = new Float32Array(this.#capacity * state);
    this.#nextPrevious = new Float32Array(this.#capacity * state);
  }

  /** Which predictions each place is guided from and away from: its row's and its row's twin's, or both its own. */
  #guidance(): Feeds {
    const count = this.#slots.length;
    const positive = new BigInt64Array(count);
    const negative = new BigInt64Array(count);
    const places = new Map<BatchRow, { own: number; twin: number }>();
    this.#slots.forEach(({ row, twin }, place) => {
      const entry = places.get(row) ?? { own: place, twin: place };
      entry[twin ? "twin" : "own"] = place;
      places.set(row, entry);
    });
    this.#slots.forEach(({ row }, place) => {
      const { own, twin } = places.get(row)!;
      positive[place] = BigInt(own);
      negative[place] = BigInt(row.guidance > 0 ? twin : own);
    });
    const tensor = (data: BigInt64Array) => longs(data, count);
    return { positive: tensor(positive), negative: tensor(negative), guidance: floats(Float32Array.from(this.#slots, ({ row }) => row.guidance), count) };
  }

  /** Times, solver coefficients and noise of the next steps; `leading` is the loop's own dimension. */
  #perStep(steps: number, leading: readonly number[]): Feeds {
    const count = this.#slots.length;
    const { hidden } = this.shape;
    const size = this.#sizes.state;
    const t = new Float32Array(steps * count);
    const coefficients = new Float32Array(steps * count * COEFFICIENTS);
    const noise = this.#noiseFor(steps);
    for (let step = 0; step < steps; step += 1) {
      this.#slots.forEach(({ row }, place) => {
        const at = step * count + place;
        const plan = row.plan[row.done + step] ?? IDLE;
        t[at] = plan.t;
        const added = noise.subarray(at * size, (at + 1) * size);
        // The graph adds one tensor: what is added of the source goes in with the noise, or in its place where there is none.
        const cNoise = plan.cNoise === 0 && plan.cSource !== 0 ? 1 : plan.cNoise;
        coefficients.set([plan.cx, plan.c0, plan.cPrevious, cNoise, plan.cSkip, plan.cOut], at * COEFFICIENTS);
        if (plan.cNoise !== 0) this.#drawNoise(row, row.done + step + 1, added);
        if (plan.cSource !== 0) addSource(added, row.condition, plan.cSource / cNoise, hidden);
      });
    }
    return {
      t: floats(t, ...leading, count),
      coefficients: floats(coefficients, ...leading, count, COEFFICIENTS),
      noise: floats(noise, ...leading, count, this.canvas, hidden),
    };
  }

  /** Room for the noise of the next steps, all zero: new where a row draws any, else one and the same. */
  #noiseFor(steps: number): Float32Array {
    const length = steps * this.#slots.length * this.#sizes.state;
    const draws = this.#slots.some(({ row }) => row.plan.slice(row.done, row.done + steps).some((step) => step.cNoise !== 0 || step.cSource !== 0));
    if (draws) return new Float32Array(length);
    if (this.#quiet.length < length) this.#quiet = new Float32Array(length);
    return this.#quiet.subarray(0, length);
  }

  /** The same for a row and its twin, and whatever the row's place. */
  #drawNoise(row: BatchRow, step: number, out: Float32Array): void {
    if (row.recorded) out.set(row.recorded.noise(step));
    else gaussian(out, this.shape.hidden, row.seed, row.candidate, step);
  }
}

/** Adds weight times the source's latents to a canvas, place by place; places beyond the source's tokens are padding, whose latent is zero. */
function addSource(canvas: Float32Array, { states, ids }: Condition, weight: number, hidden: number): void {
  const length = Math.min(canvas.length, ids.length * hidden);
  for (let i = 0; i < length; i += 1) canvas[i]! += weight * states[i]!;
}
