import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { describe, test, type TestContext } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import type { Config } from "../../src/config.js";
import { deeperThan } from "../../src/routes/json.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";
import { rawExchange, statuses } from "../fixtures/raw.js";

interface Problem {
  code: string;
  errors: { field: string; message: string }[];
}

async function start(t: TestContext, settings: Partial<Config>): Promise<FakeService> {
  const service = await startFake(settings);
  t.after(() => service.close());
  return service;
}

const HEAD = "POST /paraphrase HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

describe("limits on a connection", () => {
  test("headers that come too slowly (slowloris): 408, closed, and others are served meanwhile", async (t) => {
    const service = await start(t, { headersTimeoutMs: 300, requestTimeoutMs: 600 });
    const slow = Array.from({ length: 30 }, () => rawExchange(service.port, ["GET /info HTTP/1.1\r\nhost: x\r\n", ...Array<string>(20).fill("x-a: b\r\n")], { pauseMs: 50 }));
    assert.equal((await fetch(`${service.url}/health/live`)).status, 200);
    for (const end of await Promise.all(slow)) assert.deepEqual([end.closed, statuses(end.received)], [true, [408]]);
  });

  test("a body that never comes whole: closed, nothing was admitted", async (t) => {
    const service = await start(t, { headersTimeoutMs: 300, requestTimeoutMs: 600 });
    const end = await rawExchange(service.port, [`${HEAD}content-length: 100\r\n\r\n{"text":`]);
    assert.equal(end.closed, true);
    assert.ok(statuses(end.received).every((status) => status === 408), end.received);
    assert.equal(service.engine.rows, 0);
  });

  test("headers over the limit: 431", async (t) => {
    const service = await start(t, { maxHeaderBytes: 2_048 });
    const end = await rawExchange(service.port, [`GET /info HTTP/1.1\r\nhost: x\r\nx-a: ${"b".repeat(4_000)}\r\n\r\n`]);
    assert.deepEqual([end.closed, statuses(end.received)], [true, [431]]);
  });

  test("more connections than there may be are closed and counted; when some end, others are taken", async (t) => {
    const service = await start(t, { maxConnections: 5 });
    await fetch(`${service.url}/health/live`, { headers: { connection: "close" } });
    const held: Socket[] = [];
    t.after(() => held.forEach((socket) => socket.destroy()));
    await until(() => new Promise<boolean>((resolve) => service.server.getConnections((_error, count) => resolve(count === 0))));
    for (let i = 0; i < 5; i += 1) {
      const socket = connect(service.port, "127.0.0.1");
      held.push(socket);
      await once(socket, "connect");
    }
    await until(() => new Promise<boolean>((resolve) => service.server.getConnections((_error, count) => resolve(count === 5))));
    const refused = await rawExchange(service.port, ["GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"]);
    assert.deepEqual(refused, { received: "", closed: true });
    held.forEach((socket) => socket.destroy());
    await until(async () => (await fetch(`${service.url}/health/live`).catch(() => undefined))?.status === 200);
    assert.match(await service.metrics.registry.metrics(), /tdi_rejected_total\{reason="max_connections"\} [1-9]/);
  });
});

describe("limits on a body", () => {
  test("compressed bodies count by what they unfold to, of every encoding", async (t) => {
    const service = await start(t, { maxBodyBytes: 10_000 });
    const bomb = Buffer.from(JSON.stringify({ text: "x".repeat(20_000_000) }));
    for (const [encoding, pack] of [["gzip", gzipSync], ["deflate", deflateSync], ["br", brotliCompressSync]] as const) {
      const send = (body: Buffer) => fetch(`${service.url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json", "content-encoding": encoding }, body: new Uint8Array(body) });
      const packed = pack(bomb);
      assert.ok(packed.length < 50_000);
      assert.equal((await send(packed)).status, 413, encoding);
      assert.equal((await send(pack(Buffer.from('{"text":"a"}')))).status, 200, encoding);
      assert.equal((await send(pack(Buffer.from(`{"text":"${"abc".repeat(50)}"}`)).subarray(0, 12))).status, 400, encoding);
    }
    const twice = await fetch(`${service.url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json", "content-encoding": "gzip, gzip" }, body: new Uint8Array(gzipSync(gzipSync("{}"))) });
    assert.equal(twice.status, 415);
  });

  test("depth is counted as JSON nests, brackets in strings not", () => {
    assert.equal(deeperThan("[[[]]]", 3), false);
    assert.equal(deeperThan('[[{"a":[]}]]', 3), true);
    assert.equal(deeperThan(`["${"[".repeat(99)}","\\"[[[["]`, 1), false);
    assert.equal(deeperThan("[],".repeat(1000), 1), false);
  });

  test("a body nested too deeply, and a line of a batch: malformed_json", async (t) => {
    const service = await start(t, { maxJsonDepth: 4 });
    const deep = (levels: number) => `{"text":${"[".repeat(levels)}"a"${"]".repeat(levels)}}`;
    const code = async (body: string) => ((await (await service.post("/paraphrase", body)).json()) as Problem).code;
    assert.deepEqual([await code(deep(3)), await code(deep(4)), await code(deep(400_000))], ["invalid_request", "malformed_json", "malformed_json"]);
    const lines = await (await service.post("/batch", `${deep(100_000)}\n{"task":"paraphrase","text":"a"}\n`, { "content-type": "application/jsonl" })).text();
    const [first, second] = lines.trim().split("\n").map((each) => JSON.parse(each) as { error?: Problem; result?: object });
    assert.equal(first!.error!.code, "malformed_json");
    assert.ok(second!.result);
  });

  test("texts, candidates and steps together cost no more than may be, with the bundle's steps where none are sent", async (t) => {
    const service = await start(t, { maxRowSteps: 40 });
    const fault = async (body: object) => {
      const response = await service.post("/paraphrase", body);
      return response.status === 200 ? undefined : ((await response.json()) as Problem).errors.map(({ field, message }) => `${field}: ${message}`).join();
    };
    assert.equal(await fault({ text: ["a", "b"], num_candidates: 2, steps: 10 }), undefined);
    assert.equal(await fault({ text: ["a", "b"], num_candidates: 2, steps: 11 }), "steps: texts times samples of each times steps must be at most 40; they are 44");
    assert.equal(await fault({ text: ["a", "b"], num_candidates: 5 }), undefined);
    assert.equal(await fault({ text: ["a", "b"], num_candidates: 6 }), "num_candidates: texts times samples of each times steps must be at most 40; they are 48");
    assert.equal(await fault({ text: ["a", "b"], best_of: 6 }), "best_of: texts times samples of each times steps must be at most 40; they are 48");
    const batch = await (await service.post("/batch", '{"task":"paraphrase","text":"a","steps":41}\n', { "content-type": "application/jsonl" })).text();
    assert.equal((JSON.parse(batch) as { error: Problem }).error.code, "invalid_request");
    const { limits } = (await (await fetch(`${service.url}/info`)).json()) as { limits: Record<string, number> };
    assert.equal(limits["row_steps"], 40);
  });
});
