import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { projectPath } from "../../src/project.js";
import { startFake, type FakeService } from "../fixtures/fake-service.js";
import { HOSTILE } from "../fixtures/hostile.js";

const MARKUP = "<script>alert(document.domain)</script>";

describe("nothing of a request comes back as a page", () => {
  let service: FakeService;
  before(async () => {
    service = await startFake();
  });
  after(() => service.close());

  test("pages are the same whatever the address and the headers say", async () => {
    for (const path of ["/", "/docs"]) {
      const plain = await (await fetch(service.url + path)).text();
      for (const query of [`?q=${encodeURIComponent(MARKUP)}`, "?url=https://evil.example/openapi.yaml", "?configUrl=https://evil.example", `?${MARKUP}`]) {
        const response = await fetch(service.url + path + query, { headers: { referer: `http://x/${encodeURIComponent(MARKUP)}`, "user-agent": MARKUP, "x-forwarded-host": "evil.example" } });
        assert.equal(await response.text(), plain);
      }
    }
  });

  test("errors are documents that no browser runs, without a word of the request", async () => {
    const marked = encodeURIComponent(MARKUP);
    const requests: [string, RequestInit?][] = [[`/${marked}`], [`/assets/${marked}`], [`/info?${marked}`, { method: "DELETE" }], ["/paraphrase", { method: "POST", body: MARKUP }], ["/paraphrase", { method: "POST", body: JSON.stringify({ text: 1, [MARKUP]: 1 }), headers: { "content-type": "application/json" } }], ["/paraphrase", { method: "POST", body: "{}", headers: { "content-type": "application/json", accept: "text/x-alert" } }]];
    for (const [path, init] of requests) {
      const response = await fetch(service.url + path, { ...init, headers: { "x-request-id": MARKUP, ...init?.headers } });
      assert.ok(response.status >= 400 && response.status < 500);
      assert.match(response.headers.get("content-type")!, /^application\/problem\+json/);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      assert.doesNotMatch((await response.text()) + JSON.stringify([...response.headers]), /script|alert/);
    }
  });

  test("a text with markup or line breaks stays a JSON string, in replies, lines and events", async () => {
    const texts = [MARKUP, HOSTILE["an event stream"]!, HOSTILE["headers"]!, "\u2028\u2029"];
    for (const id of texts) {
      const body = `${JSON.stringify({ task: "paraphrase", text: "a", id })}\n`;
      const response = await service.post("/batch", body, { "content-type": "application/jsonl" });
      assert.equal(response.headers.get("content-type"), "application/jsonl");
      const lines = (await response.text()).trim().split("\n");
      assert.equal(lines.length, 1);
      assert.equal((JSON.parse(lines[0]!) as { id: string }).id, id);
    }
  });

  test("the pages write text as text: no file of theirs hands HTML to the browser", () => {
    for (const name of readdirSync(projectPath("web"))) {
      if (!/\.(tsx?|html)$/.test(name)) continue;
      assert.doesNotMatch(readFileSync(projectPath(`web/${name}`), "utf8"), /dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name);
    }
  });
});
