import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EngineLoad, leastLoaded, targetWeight } from "../../src/engine/dispatcher.js";
import { FairQueue, type Queueable } from "../../src/engine/fair-queue.js";

const item = (task: string, client: string, work = 1): Queueable => ({ task, client, work });
const drain = (queue: FairQueue<Queueable>, count = Infinity) => {
  const order: string[] = [];
  for (let next = queue.shift(); next && order.length < count; next = order.length < count ? queue.shift() : undefined) order.push(`${next.task}${next.client}`);
  return order.join(" ");
};

describe("the fair queue", () => {
  test("one client's flood does not hold up another's request", () => {
    const queue = new FairQueue<Queueable>();
    for (let i = 0; i < 5; i += 1) queue.push(item("p", "flood"));
    queue.push(item("p", "lone"));
    assert.equal(drain(queue), "pflood plone pflood pflood pflood pflood");
    assert.equal(queue.size, 0);
  });

  test("nor one task's flood another task", () => {
    const queue = new FairQueue<Queueable>();
    for (let i = 0; i < 3; i += 1) for (const client of ["a", "b"]) queue.push(item("p", client));
    queue.push(item("s", "a"));
    queue.push(item("s", "a"));
    assert.equal(drain(queue), "pa sa pb sa pa pb pa pb");
  });

  test("shares are counted in work: who asks for four times the steps gets a quarter of the turns", () => {
    const queue = new FairQueue<Queueable>();
    for (let i = 0; i < 10; i += 1) {
      queue.push(item("p", "heavy", 40));
      queue.push(item("p", "light", 10));
    }
    const first = drain(queue, 10).split(" ");
    assert.equal(first.filter((each) => each === "plight").length, 8);
  });

  test("who was away has saved up nothing", () => {
    const queue = new FairQueue<Queueable>();
    for (let i = 0; i < 50; i += 1) queue.push(item("p", "busy"));
    for (let i = 0; i < 40; i += 1) queue.shift();
    for (let i = 0; i < 6; i += 1) queue.push(item("p", "new"));
    assert.equal(drain(queue, 4).split(" ").filter((each) => each === "pnew").length, 2);
  });

  test("what is taken out does not come, and owners without work are forgotten", () => {
    const queue = new FairQueue<Queueable>();
    const [a, b] = [item("p", "a"), item("p", "a")];
    queue.push(a);
    queue.push(b);
    assert.deepEqual([queue.remove(a), queue.remove(a), queue.size], [true, false, 1]);
    assert.deepEqual([...queue], [b]);
    assert.equal(queue.shift(), b);
    assert.equal(queue.shift(), undefined);
    assert.deepEqual([...queue], []);
  });
});

describe("dispatch", () => {
  const engine = (pending: number, weight: number, more: Partial<EngineLoad> = {}): EngineLoad => ({ ready: true, exclusive: false, pending, weight, ...more });

  test("the least loaded engine with room gets the work", () => {
    const engines = [engine(50, 2), engine(10, 2), engine(5, 10), engine(0, 0, { ready: false }), engine(1, 1, { exclusive: true })];
    assert.equal(leastLoaded(engines, 10), engines[1]);
    assert.equal(leastLoaded(engines, 1), undefined);
    assert.equal(leastLoaded([...engines, engine(0, 0)], 1)?.weight, 0);
  });

  test("a quarter of a batch waits in an engine; without joining, a whole one", () => {
    const target = (batching: "continuous" | "static" | "off") => targetWeight({ batching, maxRows: 8, stepsPerCall: 1 });
    assert.deepEqual([target("continuous"), target("static"), target("off")], [10, 16, 2]);
  });
});
