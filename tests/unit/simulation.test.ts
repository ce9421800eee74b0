import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LIMIT_MS, simulate, type Policy } from "../../bench/simulation.js";
import { GPU, STEPS } from "../../bench/simulated-loads.js";

const CONTINUOUS: Policy = { batching: "continuous", maxRows: 1024, stepsPerCall: 1, maxQueuedRows: 8 * 4096 };
const STATIC: Policy = { ...CONTINUOUS, batching: "static" };
const load = (requestsPerSecond: number) => ({ requestsPerSecond, seconds: 5, steps: STEPS, shapes: [0.5, 0.3, 0.2], clients: 50, seed: 1 });

/** In virtual time: the figures are the same on any machine. */
describe("the scheduler on simulated devices", () => {
  test("eight devices carry 10,000 requests a second at a p95 far under the limit", () => {
    const { goodput, p95, rejected, offered } = simulate({ count: 8, ...GPU }, CONTINUOUS, load(10_000));
    assert.ok(p95 < LIMIT_MS / 2 && rejected === 0 && goodput === offered, JSON.stringify({ goodput, p95, rejected }));
  });

  test("one and a half times what static batching can carry is carried, and static batching fails at it", () => {
    // Static batching fails the limit at 900 requests a second on one device; 1.5 times that is far from its own limit here.
    const failed = simulate({ count: 1, ...GPU }, STATIC, { ...load(900), seconds: 20 });
    assert.ok(failed.p95 > LIMIT_MS);
    const carried = simulate({ count: 1, ...GPU }, CONTINUOUS, load(1.5 * 900));
    assert.ok(carried.p95 < LIMIT_MS && carried.rejected === 0);
  });

  test("what is over the queue is refused, and what is admitted is answered", () => {
    const { offered, goodput, rejected } = simulate({ count: 1, ...GPU }, { ...CONTINUOUS, maxQueuedRows: 1500 }, load(5_000));
    assert.ok(rejected > 1_000 && goodput > 2_500 && Math.abs(goodput + rejected - offered) < 0.02 * offered, JSON.stringify({ offered, goodput, rejected }));
  });

  test("the same seed gives the same figures", () => {
    assert.deepEqual(simulate({ count: 1, ...GPU }, CONTINUOUS, load(500)), simulate({ count: 1, ...GPU }, CONTINUOUS, load(500)));
  });
});
