import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { startFake, until } from "../fixtures/fake-service.js";
import { fuzzProtocol } from "../fixtures/protocol-fuzz.js";
import { rawExchange, statuses } from "../fixtures/raw.js";

describe("bytes that are hardly HTTP", () => {
  test("150 cases: no 5xx, the server lives, no row stays behind", async (t) => {
    const service = await startFake();
    t.after(() => service.close());
    const report = await fuzzProtocol(service.port, { cases: 150, seed: 9, waitMs: 100 });
    assert.equal(report.cases, 150);
    assert.ok((report.statuses[400] ?? 0) > 20 && Object.keys(report.statuses).length > 4, JSON.stringify(report));
    await until(() => service.engine.rows === 0);
  });

  test("a server that answers with a 5xx is found, so the check can fail", async (t) => {
    const bad = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("HTTP/1.1 500 Internal\r\n\r\n");
    }).listen(0, "127.0.0.1");
    t.after(() => bad.close());
    await once(bad, "listening");
    await assert.rejects(fuzzProtocol((bad.address() as AddressInfo).port, { cases: 5, seed: 1 }), (error) => /status 500/.test(String((error as Error).cause)));
  });

  test("a second request hidden in a body (smuggling): length and chunks together, or two lengths, are refused", async (t) => {
    const service = await startFake();
    t.after(() => service.close());
    const hidden = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    for (const framing of [`content-length: ${hidden.length + 5}\r\ntransfer-encoding: chunked`, "content-length: 5\r\ncontent-length: 6", "transfer-encoding: chunked\r\ntransfer-encoding: identity", "transfer-encoding: xchunked", "content-length: 0x10", "content-length: +5"]) {
      const { received, closed } = await rawExchange(service.port, [`POST /paraphrase HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n0\r\n\r\n${hidden}`], { waitMs: 3_000 });
      assert.deepEqual([statuses(received), closed], [[400], true], framing);
    }
  });

  test("a client that goes away in the middle of its body or its reply leaves nothing behind", async (t) => {
    const service = await startFake();
    t.after(() => service.close());
    const head = "POST /paraphrase HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    const body = '{"text":"slow","steps":50}';
    for (const bytes of [`${head}content-length: 500\r\n\r\n{"te`, `${head}transfer-encoding: chunked\r\n\r\nff\r\n{"te`, `${head}content-length: ${body.length}\r\n\r\n${body}`, `${head}accept: text/event-stream\r\ncontent-length: ${body.length}\r\n\r\n${body}`]) {
      await Promise.all(Array.from({ length: 10 }, () => rawExchange(service.port, [bytes], { waitMs: 60 })));
    }
    await until(() => service.engine.rows === 0);
    assert.equal((await service.post("/paraphrase", { text: "after" })).status, 200);
  });
});
