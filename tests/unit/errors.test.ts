import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ERRORS, TdiError } from "../../src/errors.js";

describe("the table of errors", () => {
  test("an error crosses a process boundary whole", () => {
    const sent = new TdiError("text_too_long", "Too long.", [{ field: "text[1]", message: "has 300 tokens" }]);
    const got = TdiError.fromFault(structuredClone(sent.toFault()));
    assert.deepEqual([got.code, got.detail, got.faults], [sent.code, sent.detail, sent.faults]);
  });

  test("a code outside the table becomes an internal error that tells nothing", () => {
    for (const code of ["nonsense", "toString", "__proto__"]) {
      const got = TdiError.fromFault({ code, detail: "the user's text" });
      assert.deepEqual([got.code, got.detail], ["internal", ERRORS.internal.description]);
    }
  });

  test("every entry is an error status with a title and a sentence", () => {
    for (const { status, title, description } of Object.values(ERRORS)) {
      assert.ok(status >= 400 && status < 600);
      assert.match(title, /^[A-Z]/);
      assert.match(description, /\.$/);
    }
  });
});
