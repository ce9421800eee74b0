import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Admission } from "../../src/engine/admission.js";
import { TdiError } from "../../src/errors.js";

function refusal(admission: Admission, rows: number): TdiError {
  try {
    admission.reserve(rows);
  } catch (error) {
    return error as TdiError;
  }
  throw new Error("the rows were admitted");
}

describe("admission", () => {
  test("takes rows up to the limit and again what was released", () => {
    const admission = new Admission(8);
    admission.reserve(5);
    admission.reserve(3);
    assert.equal(refusal(admission, 1).code, "queue_full");
    admission.release(3);
    assert.equal(refusal(admission, 4).code, "queue_full");
    admission.reserve(3);
  });

  test("Retry-After is the time in which the excess drains, within bounds", () => {
    const admission = new Admission(10);
    admission.reserve(10);
    assert.equal(refusal(admission, 6).retryAfterSeconds, 1);
    admission.measure(4, 8);
    assert.equal(refusal(admission, 6).retryAfterSeconds, 12);
    // The newest run weighs a fifth: 2 s a row moves to 2.4 s at one run of 4 s a row.
    admission.measure(1, 4);
    assert.equal(refusal(admission, 10).retryAfterSeconds, 24);
    admission.measure(1, 10_000);
    assert.equal(refusal(admission, 10).retryAfterSeconds, 120);
  });
});
