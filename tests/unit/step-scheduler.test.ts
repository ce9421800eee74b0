import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Batching, type SchedulableRow, StepScheduler, type Tick } from "../../src/engine/step-scheduler.js";

interface Row extends SchedulableRow {
  name: string;
  done: number;
}

const row = (name: string, steps: number, shape = "a", weight = 1): Row => ({ name, shape, weight, steps, done: 0 });
const scheduler = (batching: Batching, maxRows: number, stepsPerCall = 1) => new StepScheduler<Row>({ batching, maxRows, stepsPerCall });

/** Does the next call: its rows, and those that left after it, as "a,b>a". */
function call(it: StepScheduler<Row>): string {
  const tick = it.next();
  if (!tick) return "-";
  return `${names(tick.rows)}>${names(finish(it, tick))}`;
}

function finish(it: StepScheduler<Row>, tick: Tick<Row>): Row[] {
  for (const each of tick.rows) each.done = Math.min(each.done + tick.steps, each.steps);
  return it.settle(tick);
}

const names = (rows: readonly Row[]) => rows.map(({ name }) => name).join(",");

describe("continuous batching", () => {
  test("rows join at the next call and leave after their last, others stay", () => {
    const it = scheduler("continuous", 4);
    it.add([row("long", 4)]);
    assert.equal(call(it), "long>");
    it.add([row("short", 1), row("mid", 2)]);
    assert.deepEqual([call(it), call(it), call(it), call(it)], ["long,short,mid>short", "long,mid>mid", "long>long", "-"]);
    assert.ok(it.idle);
  });

  test("rows under way keep their places, new ones wait in order and nobody overtakes", () => {
    const it = scheduler("continuous", 2);
    it.add([row("one", 1), row("two", 3), row("heavy", 1, "a", 2), row("light", 1)]);
    assert.deepEqual([call(it), call(it), call(it), call(it), call(it)], ["one,two>one", "two>", "two>two", "heavy>heavy", "light>light"]);
  });

  test("a row heavier than a batch runs alone", () => {
    const it = scheduler("continuous", 1);
    it.add([row("guided", 1, "a", 2), row("next", 1)]);
    assert.deepEqual([call(it), call(it)], ["guided>guided", "next>next"]);
  });

  test("shapes do not mix in a call, and take turns", () => {
    const it = scheduler("continuous", 4);
    it.add([row("a1", 2, "a"), row("b1", 2, "b"), row("a2", 2, "a")]);
    assert.deepEqual([call(it), call(it), call(it), call(it)], ["a1,a2>", "b1>", "a1,a2>a1,a2", "b1>b1"]);
  });

  test("a removed row is in no further call", () => {
    const it = scheduler("continuous", 2);
    const [one, two, three] = [row("one", 9), row("two", 9), row("three", 9)];
    it.add([one, two, three]);
    call(it);
    it.remove([one, three]);
    assert.equal(call(it), "two>");
    assert.equal(it.pending, 7);
    it.remove([two]);
    assert.ok(it.idle && call(it) === "-");
  });

  test("several steps a call: never more than any row has left, and a row may idle through the last", () => {
    const it = scheduler("continuous", 4, 3);
    it.add([row("five", 5), row("four", 4)]);
    assert.equal(it.next()!.steps, 3);
    assert.deepEqual([call(it), it.next()!.steps, call(it)], ["five,four>", 2, "five,four>five,four"]);
  });

  test("room and pending tell what may come and what is left", () => {
    const it = scheduler("continuous", 4);
    it.add([row("one", 2), row("guided", 3, "a", 2)]);
    assert.deepEqual([it.room, it.pending], [1, 8]);
    call(it);
    assert.deepEqual([it.room, it.pending], [1, 5]);
    call(it);
    assert.deepEqual([it.room, it.pending], [2, 2]);
  });
});

describe("what continuous batching is measured against", () => {
  test("static: a batch of one shape runs to its end, and all leave together", () => {
    const it = scheduler("static", 2);
    it.add([row("short", 1), row("other", 1, "b"), row("long", 2), row("late", 1)]);
    assert.deepEqual([call(it), call(it), call(it), call(it)], ["short,long>", "short,long>short,long", "other>other", "late>late"]);
  });

  test("off: one row at a time to its end", () => {
    const it = scheduler("off", 8);
    it.add([row("one", 2), row("two", 1)]);
    assert.deepEqual([call(it), call(it), call(it)], ["one>", "one>one", "two>two"]);
  });
});
