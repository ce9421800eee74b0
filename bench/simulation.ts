/**
 * The scheduler on devices that only exist as a cost: the admission, the fair queue, the dispatch and the step scheduler
 * of src/engine, driven by discrete events in virtual time.
 */
import { Admission } from "../src/engine/admission.js";
import { type EngineLoad, leastLoaded, targetWeight } from "../src/engine/dispatcher.js";
import { FairQueue, type Queueable } from "../src/engine/fair-queue.js";
import { type SchedulableRow, StepScheduler, type StepSchedulerOptions, type Tick } from "../src/engine/step-scheduler.js";
import { exponential, type Random, random } from "./random.js";

export interface SimulatedDevices {
  count: number;
  /** Milliseconds of a call, and of each row and step in it. */
  callMs: number;
  rowMs: number;
}

export interface Choice {
  share: number;
  steps: number;
}

export interface Load {
  requestsPerSecond: number;
  /** Virtual seconds of arrivals; what comes in the first fifth is not counted. */
  seconds: number;
  steps: readonly Choice[];
  /** Share of requests of each shape. */
  shapes: readonly number[];
  clients: number;
  seed: number;
}

export interface Policy extends StepSchedulerOptions {
  maxQueuedRows: number;
  /** Static only: rows that are done leave the call and are answered at once, though none joins. Stronger than what is usual. */
  compacted?: boolean;
}

export interface Outcome {
  offered: number;
  /** Answers within the limit, a second. */
  goodput: number;
  rejected: number;
  /** Of all answers, and of those with the fewest steps; milliseconds. */
  p50: number;
  p95: number;
  p99: number;
  p95Short: number;
  /** Mean share of a call's rows that had something to do, of the most there may be, weighted by time. */
  occupancy: number;
}

export const LIMIT_MS = 2_000;

class Request implements Queueable, SchedulableRow {
  readonly task = "paraphrase";
  readonly weight = 1;
  done = 0;

  constructor(readonly client: string, readonly arrivedAt: number, readonly steps: number, readonly shape: string) {}

  get work(): number {
    return this.steps;
  }
}

interface Device extends EngineLoad {
  scheduler: StepScheduler<Request>;
  tick?: Tick<Request>;
}

/** An event of the simulation; `device` absent: an arrival. */
interface Event {
  at: number;
  device?: Device;
}

/** Runs a load on a policy and devices. Virtual time: a minute of 10,000 requests a second takes seconds. */
export function simulate(devices: SimulatedDevices, policy: Policy, load: Load): Outcome {
  let now = 0;
  const draw = random(load.seed);
  const admission = new Admission({ maxQueuedRows: policy.maxQueuedRows, maxClientRows: policy.maxQueuedRows }, () => now);
  const queue = new FairQueue<Request>();
  const fleet: Device[] = Array.from({ length: devices.count }, () => ({ ready: true, weight: 0, pending: 0, exclusive: false, scheduler: new StepScheduler(policy) }));
  const events = new EventQueue();
  const latencies: { ms: number; steps: number }[] = [];
  const counted = { from: (load.seconds * 1000) / 5, offered: 0, rejected: 0, busyMs: 0, fullMs: 0 };

  const answer = (request: Request) => {
    admission.release(request.client, 1, true);
    if (request.arrivedAt >= counted.from) latencies.push({ ms: now - request.arrivedAt, steps: request.steps });
  };
  const dispatch = () => {
    for (let device = leastLoaded(fleet, targetWeight(policy)); device && queue.size > 0; device = leastLoaded(fleet, targetWeight(policy))) {
      const request = queue.shift()!;
      device.weight += 1;
      device.pending += request.work;
      device.scheduler.add([request]);
    }
    for (const device of fleet) if (!device.tick) begin(device);
  };
  const begin = (device: Device) => {
    const tick = device.scheduler.next();
    if (!tick) return;
    device.tick = tick;
    const working = tick.rows.filter((row) => row.done < row.steps).length;
    const ms = devices.callMs + devices.rowMs * (policy.compacted ? working : tick.weight) * tick.steps;
    counted.busyMs += ms;
    counted.fullMs += (ms * working) / policy.maxRows;
    events.add({ at: now + ms, device });
  };
  const end = (device: Device, tick: Tick<Request>) => {
    for (const row of tick.rows) {
      if (row.done >= row.steps) continue;
      row.done = Math.min(row.done + tick.steps, row.steps);
      if (policy.compacted && row.done === row.steps) answer(row);
    }
    delete device.tick;
    for (const row of device.scheduler.settle(tick)) {
      device.weight -= 1;
      if (!policy.compacted) answer(row);
    }
    device.pending = device.scheduler.pending;
  };
  const arrive = () => {
    const request = drawRequest(load, draw, now);
    if (now >= counted.from) counted.offered += 1;
    try {
      admission.reserve(request.client, 1);
      queue.push(request);
    } catch {
      if (now >= counted.from) counted.rejected += 1;
    }
    const next = now + exponential(draw) * (1000 / load.requestsPerSecond);
    if (next < load.seconds * 1000) events.add({ at: next });
  };

  events.add({ at: 0 });
  for (let event = events.next(); event; event = events.next()) {
    now = event.at;
    if (event.device) end(event.device, event.device.tick!);
    else arrive();
    dispatch();
  }
  const seconds = load.seconds * 0.8;
  const all = latencies.map(({ ms }) => ms).sort((a, b) => a - b);
  const least = Math.min(...load.steps.map(({ steps }) => steps));
  const short = latencies.filter(({ steps }) => steps === least).map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    offered: counted.offered / seconds,
    goodput: all.filter((ms) => ms <= LIMIT_MS).length / seconds,
    rejected: counted.rejected / seconds,
    p50: quantile(all, 0.5),
    p95: quantile(all, 0.95),
    p99: quantile(all, 0.99),
    p95Short: quantile(short, 0.95),
    occupancy: counted.fullMs / counted.busyMs,
  };
}

function drawRequest(load: Load, draw: Random, now: number): Request {
  const steps = choose(load.steps.map(({ share }) => share), draw);
  return new Request(`client-${Math.floor(draw() * load.clients)}`, now, load.steps[steps]!.steps, `shape-${choose(load.shapes, draw)}`);
}

/** Place of one of several shares, drawn by their size. */
function choose(shares: readonly number[], draw: Random): number {
  let left = draw() * shares.reduce((sum, share) => sum + share, 0);
  const place = shares.findIndex((share) => (left -= share) < 0);
  return place < 0 ? shares.length - 1 : place;
}

/** Of sorted values; NaN of none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/** Events by time: at most one of each device and one arrival, so a plain list will do. */
class EventQueue {
  #events: Event[] = [];

  add(event: Event): void {
    this.#events.push(event);
  }

  next(): Event | undefined {
    if (this.#events.length === 0) return undefined;
    const first = this.#events.reduce((best, event, i) => (event.at < this.#events[best]!.at ? i : best), 0);
    return this.#events.splice(first, 1)[0];
  }
}
