import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Admission } from "../../src/engine/admission.js";
import { TdiError } from "../../src/errors.js";

function refusal(admission: Admission, client: string, rows: number): TdiError {
  try {
    admission.reserve(client, rows);
  } catch (error) {
    return error as TdiError;
  }
  throw new Error("the rows were admitted");
}

describe("admission", () => {
  test("takes rows up to the limit and again what was released", () => {
    const admission = new Admission({ maxQueuedRows: 8, maxClientRows: 8 }, () => 0);
    admission.reserve("a", 5);
    admission.reserve("b", 3);
    assert.equal(refusal(admission, "b", 1).code, "queue_full");
    admission.release("b", 3, true);
    assert.equal(refusal(admission, "b", 4).code, "queue_full");
    admission.reserve("b", 3);
    assert.equal(admission.rows, 8);
  });

  test("one client has its share, and others still find room", () => {
    const admission = new Admission({ maxQueuedRows: 8, maxClientRows: 4 }, () => 0);
    admission.reserve("greedy", 4);
    assert.equal(refusal(admission, "greedy", 1).code, "client_over_share");
    admission.reserve("modest", 3);
    admission.release("greedy", 2, true);
    admission.reserve("greedy", 2);
    admission.reserve("third", 1);
    // Over both limits: the share is the client's own doing.
    assert.equal(refusal(admission, "greedy", 1).code, "client_over_share");
    assert.equal(refusal(admission, "modest", 1).code, "queue_full");
  });

  test("Retry-After is the time in which the excess drains at the measured rate, within bounds", () => {
    let now = 0;
    const admission = new Admission({ maxQueuedRows: 10, maxClientRows: 10 }, () => now);
    admission.reserve("a", 10);
    assert.equal(refusal(admission, "b", 6).retryAfterSeconds, 1);
    // Two rows in the first four seconds: half a row a second, so six rows take twelve seconds.
    now = 500;
    admission.release("a", 1, true);
    now = 3_500;
    admission.release("a", 1, true);
    admission.reserve("b", 2);
    assert.equal(refusal(admission, "b", 6).retryAfterSeconds, 12);
    // What is given back undone tells nothing of the rate.
    admission.release("a", 4, false);
    admission.reserve("c", 4);
    assert.equal(refusal(admission, "b", 6).retryAfterSeconds, 12);
    // The window moves on: one row in its last 20 s, then none.
    now = 21_000;
    assert.equal(refusal(admission, "b", 6).retryAfterSeconds, 120);
    now = 100_000;
    assert.equal(refusal(admission, "b", 6).retryAfterSeconds, 1);
  });
});
