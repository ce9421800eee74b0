import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseKeys } from "../../src/access/keys.js";
import { parseConfig, type Config } from "../../src/config.js";
import { TASKS } from "../../src/engine/contract.js";
import { ERRORS } from "../../src/errors.js";
import { createApp } from "../../src/routes/app.js";
import { VERSION } from "../../src/project.js";
import { BROKEN, without } from "../fixtures/fake-pipeline.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";
import { checkReferences, checkReply, document, documentedOperations, documentedReplies, requestSchema, validator } from "./contract.js";

const MAX_BODY = 100_000;
const [KEY, OTHER_KEY] = ["a".repeat(32), "b".repeat(32)];
/** Replies seen so far, as lines of `documentedReplies`. */
const seen = new Set<string>();

async function expectReply(method: string, path: string, status: number, code: string, response: Response | Promise<Response>): Promise<void> {
  const line = await checkReply(method, path, await response);
  assert.equal(line, `${method} ${path} ${status} ${code}`);
  seen.add(line);
}

describe("openapi.yaml and the running server", () => {
  let service: FakeService;
  before(async () => {
    service = await startFake({ maxBodyBytes: MAX_BODY, maxBatchBytes: MAX_BODY });
  });
  after(() => service.close());

  test("the document is whole and of this version", () => {
    assert.ok(checkReferences() > 50);
    assert.equal((document["info"] as { version: string }).version, VERSION);
  });

  test("no key is without a value", () => {
    // A comma in a description without quotes ends it within braces, and what follows becomes a key.
    const empty = (node: unknown, path: string): string[] =>
      node === null ? [path] : typeof node === "object" ? Object.entries(node).flatMap(([key, value]) => empty(value, `${path}/${key}`)) : [];
    assert.deepEqual(empty(document, ""), []);
  });

  test("the routes of the app are those of the document", () => {
    const app = createApp({ engine: service.engine, config: parseConfig([], {}) as Config, logger: undefined as never, metrics: service.metrics });
    const registered = app.router.stack.flatMap(({ route }) =>
      route ? [...new Set(route.stack.map((layer) => layer.method).filter((method) => method))].map((method) => `${method} ${route.path.replace(/:(\w+)/g, "{$1}")}`) : [],
    );
    assert.deepEqual(registered.sort(), documentedOperations().sort());
  });

  test("the codes of errors.ts are those of the document", () => {
    const { ErrorCode } = (document["components"] as { schemas: { ErrorCode: { enum: string[] } } }).schemas;
    assert.deepEqual([...ErrorCode.enum].sort(), Object.keys(ERRORS).sort());
    const used = new Set(documentedReplies().map((line) => line.split(" ")[3]!).filter((code) => code !== "-"));
    assert.deepEqual([...used].sort(), Object.keys(ERRORS).sort());
  });

  test("the validator refuses what is not documented", () => {
    const problem = validator({ $ref: "#/components/schemas/Problem" });
    const good = { type: "urn:tdi:error:internal", title: "t", status: 500, detail: "d", code: "internal", request_id: "r" };
    assert.equal(problem(good), true);
    assert.equal(problem({ ...good, stack: "x" }), false);
    assert.equal(problem({ ...good, code: "other" }), false);
  });

  test("what only tells of the server", async () => {
    for (const path of ["/health/live", "/health/ready", "/info", "/metrics", "/openapi.yaml"]) {
      await expectReply("get", path, 200, "-", fetch(service.url + path));
      await expectReply("get", path, 200, "-", fetch(service.url + path, { headers: { "if-none-match": "*" } }));
      const head = await fetch(service.url + path, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      await expectReply("options", path, 204, "-", fetch(service.url + path, { method: "OPTIONS" }));
      for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
        await expectReply("other", path, 405, "method_not_allowed", fetch(service.url + path, { method }));
      }
    }
    for (const path of ["/paraphrase/", "/Paraphrase", "/info/x", "/%2e%2e/package.json", "/%E0%A4%A"]) {
      await expectReply("other", "*", 404, "not_found", fetch(service.url + path));
    }
  });

  test("metrics in OpenMetrics for a scraper that asks for it", async () => {
    const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    const response = await fetch(`${service.url}/metrics`, { headers: { accept } });
    assert.match(response.headers.get("content-type")!, /^application\/openmetrics-text; version=1\.0\.0/);
    await expectReply("get", "/metrics", 200, "-", response);
  });

  test("the pages and what they load", async () => {
    const pages = [["/", "/"], ["/docs", "/docs"], ["/assets/{name}", "/assets/icon.svg"], ["/assets/{name}", "/assets/playground.js"], ["/assets/{name}", "/assets/swagger-ui.css"]];
    for (const [path, address] of pages as [string, string][]) {
      const first = await fetch(service.url + address);
      const tag = first.headers.get("etag")!;
      await expectReply("get", path, 200, "-", first);
      await expectReply("get", path, 304, "-", fetch(service.url + address, { headers: { "if-none-match": tag } }));
      const head = await fetch(service.url + address, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      await expectReply("options", path, 204, "-", fetch(service.url + address, { method: "OPTIONS" }));
      await expectReply("other", path, 405, "method_not_allowed", fetch(service.url + address, { method: "POST" }));
    }
    for (const name of ["nothing.js", "index.html", "..%2f..%2fpackage.json", "playground.js.gz"]) {
      await expectReply("get", "/assets/{name}", 404, "not_found", fetch(`${service.url}/assets/${name}`));
    }
    const plain = await fetch(`${service.url}/assets/docs.js`, { headers: { "accept-encoding": "identity" } });
    const packed = await fetch(`${service.url}/assets/docs.js`, { headers: { "accept-encoding": "gzip" } });
    assert.deepEqual([plain.headers.get("content-encoding"), packed.headers.get("content-encoding")], [null, "gzip"]);
    assert.equal(await plain.text(), await packed.text());
  });

  test("/batch: its reply and its errors", async () => {
    const type = { "content-type": "application/jsonl" };
    const send = (status: number, code: string, body: string | Buffer, headers: Record<string, string> = {}) =>
      expectReply("post", "/batch", status, code, fetch(`${service.url}/batch`, { method: "POST", headers: { ...type, ...headers }, body: new Uint8Array(Buffer.from(body)) }));
    await send(200, "-", '{"task":"paraphrase","text":"One."}\n');
    await send(400, "malformed_json", Buffer.from([0x22, 0xff, 0x22]));
    await send(406, "not_acceptable", "", { accept: "application/json" });
    await send(413, "body_too_large", "x".repeat(MAX_BODY + 1));
    await send(415, "unsupported_media_type", "", { "content-type": "application/json" });
    await expectReply("options", "/batch", 204, "-", fetch(`${service.url}/batch`, { method: "OPTIONS" }));
    await expectReply("other", "/batch", 405, "method_not_allowed", fetch(`${service.url}/batch`));
  });

  for (const task of TASKS) {
    const path = `/${task}`;

    test(`${path}: replies and errors of one request`, async () => {
      const { post, url } = service;
      const expectPost = (status: number, code: string, body: unknown, headers?: Record<string, string>) =>
        expectReply("post", path, status, code, post(path, body, headers));
      await expectPost(200, "-", { text: "A text." });
      await expectPost(200, "-", { text: ["One.", "Two."], num_candidates: 3, seed: 7, steps: 2, guidance: 1.5, novelty: 0.2, solver: "ddim", grid: "logit_normal", clamp_steps: 2, best_of: 4, ranking: "confidence", truncation: "end", max_words: 30, canvas: 16 });
      await expectPost(200, "-", { text: "A text." }, { "content-type": 'application/json; charset="UTF-8"', accept: "text/event-stream;q=0.5, application/json" });
      await expectReply("options", path, 204, "-", fetch(url + path, { method: "OPTIONS" }));
      for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
        const response = await fetch(url + path, { method });
        if (method === "HEAD") assert.equal(response.status, 405);
        else await expectReply("other", path, 405, "method_not_allowed", response);
      }
      for (const body of ["", "{", '{"text":', "nope", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]).toString("latin1")]) {
        const bytes = Buffer.from(body, "latin1");
        await expectReply("post", path, 400, "malformed_json", fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: bytes }));
      }
      await expectPost(406, "not_acceptable", { text: "A" }, { accept: "text/html" });
      await expectPost(413, "body_too_large", { text: "x".repeat(MAX_BODY) });
      for (const type of ["text/plain", "application/json; charset=utf-16", "application/jsonx", "multipart/form-data"]) {
        await expectPost(415, "unsupported_media_type", { text: "A" }, { "content-type": type });
      }
      await expectPost(415, "unsupported_media_type", { text: "A" }, { "content-encoding": "zstandard" });
      await expectPost(422, "invalid_request", {});
      await expectPost(422, "text_too_long", { text: "too-long text" });
      await expectPost(422, "text_unreadable", { text: "unreadable text" });
      if (task === "summarize") await expectPost(422, "text_too_short", { text: "too-short text" });
      await expectPost(500, "internal", { text: "boom" });
    });

    test(`${path}: a task without a bundle`, async (t) => {
      const partial = await startFake({}, { files: [without(task)] });
      t.after(() => partial.close());
      await expectReply("post", path, 404, "not_found", partial.post(path, { text: "A text." }));
    });

    test(`${path}: a client over its share`, async (t) => {
      const tight = await startFake({ maxClientRows: 1 });
      t.after(() => tight.close());
      const mine = tight.post(path, { text: "slow", steps: 20 });
      await until(async () => /^tdi_in_flight_rows 1$/m.test(await (await fetch(`${tight.url}/metrics`)).text()));
      await expectReply("post", path, 429, "client_over_share", tight.post(path, { text: "A text." }));
      assert.equal((await mine).status, 200);
    });

    test(`${path}: a full queue and a passed deadline`, async (t) => {
      const tight = await startFake({ maxQueuedRows: 1, deadlineMs: 400 });
      t.after(() => tight.close());
      const slow = tight.post(path, { text: "slow", steps: 100 });
      await until(async () => /^tdi_in_flight_rows 1$/m.test(await (await fetch(`${tight.url}/metrics`)).text()));
      await expectReply("post", path, 503, "queue_full", tight.post(path, { text: "A text." }));
      await expectReply("post", path, 504, "deadline_exceeded", slow);
    });
  }

  test("without a key, with one that lacks the scope, and too often", async (t) => {
    const locked = await startFake({ apiKeys: parseKeys(`caller:${KEY} scraper:${OTHER_KEY}:metrics`), maxRequestsPerMinute: 2 });
    t.after(() => locked.close());
    const operations = [...TASKS.map((task) => ["post", `/${task}`]), ["post", "/batch"], ["get", "/info"], ["get", "/metrics"]] as [string, string][];
    for (const [method, path] of operations) {
      const ask = (headers: Record<string, string>) => fetch(locked.url + path, { method, headers });
      await expectReply(method, path, 401, "unauthorized", ask({}));
      await expectReply(method, path, 401, "unauthorized", ask({ authorization: "Bearer not-a-key-of-this-server" }));
      const wrong = path === "/metrics" ? KEY : OTHER_KEY;
      await expectReply(method, path, 403, "forbidden", ask({ authorization: `Bearer ${wrong}` }));
    }
    await expectReply("other", "*", 401, "unauthorized", fetch(`${locked.url}/nowhere`));
    await expectReply("other", "*", 401, "unauthorized", fetch(`${locked.url}/info`, { method: "DELETE" }));
    for (const [method, path] of operations) {
      const key = path === "/metrics" ? OTHER_KEY : KEY;
      const ask = () => fetch(locked.url + path, { method, headers: { authorization: `Bearer ${key}` } });
      for (let i = 0; i < 2; i += 1) await ask();
      await expectReply(method, path, 429, "rate_limited", ask());
    }
  });

  test("a request body is taken by the server just when the document allows it", async () => {
    const base = { text: "A text." };
    const good: unknown[] = [
      base, { text: ["a"] }, { text: Array(32).fill("a") }, { text: "x".repeat(20_000) }, { text: "🙂".repeat(20_000) }, { text: " a\n" },
      { ...base, num_candidates: 16 }, { ...base, seed: 0 }, { ...base, seed: 4294967295 }, { ...base, steps: 1 }, { ...base, guidance: 0 }, { ...base, guidance: 5 },
      { ...base, max_words: 1 }, { ...base, stream_every: 1 }, { ...base, canvas: "auto" }, { ...base, canvas: 32 }, { ...base, solver: "dpmpp_2m" }, { ...base, grid: "linear" }, { ...base, ranking: "quality" }, { ...base, best_of: 16 }, { ...base, num_candidates: 2, best_of: 2 }, { ...base, clamp_steps: 0 }, { ...base, truncation: "error" },
    ];
    const bad: unknown[] = [
      {}, [], "A text.", 7, null, true, { text: "" }, { text: " \n\t" }, { text: null }, { text: 7 }, { text: {} }, { text: [] }, { text: [""] }, { text: ["a", 1] }, { text: [["a"]] },
      { text: Array(33).fill("a") }, { text: "x".repeat(20_001) }, { ...base, num_candidates: 0 }, { ...base, num_candidates: 17 }, { ...base, num_candidates: 1.5 },
      { ...base, num_candidates: "1" }, { ...base, seed: -1 }, { ...base, seed: 4294967296 }, { ...base, seed: 0.5 }, { ...base, seed: null }, { ...base, steps: 0 }, { ...base, steps: 201 },
      { ...base, guidance: -0.1 }, { ...base, novelty: -0.1 }, { ...base, novelty: 0.51 }, { ...base, novelty: "0.1" }, { ...base, guidance: 10.1 }, { ...base, guidance: "1" }, { ...base, solver: "best" }, { ...base, grid: "uniform" }, { ...base, ranking: "best" }, { ...base, best_of: 0 }, { ...base, best_of: 17 }, { ...base, best_of: "2" }, { ...base, clamp_steps: -1 }, { ...base, truncation: "start" }, { ...base, truncation: true },
      { ...base, max_words: 0 }, { ...base, stream_every: 0 }, { ...base, canvas: 0 }, { ...base, canvas: "16" }, { ...base, unknown: 1 }, { ...base, Seed: 1 }, JSON.parse('{"text":"a","__proto__":{}}'),
    ];
    for (const body of [...good, ...bad]) {
      const response = await service.post("/paraphrase", JSON.stringify(body));
      const line = await checkReply("post", "/paraphrase", response);
      const shown = JSON.stringify(body).slice(0, 80);
      assert.equal(requestSchema(body), good.includes(body), `the document on ${shown}`);
      assert.equal(line, good.includes(body) ? "post /paraphrase 200 -" : "post /paraphrase 422 invalid_request", `the server on ${shown}`);
    }
  });

  test("an engine that ends under a request, and one that is down", async () => {
    for (const task of TASKS) {
      await expectReply("post", `/${task}`, 503, "engine_restarted", service.post(`/${task}`, { text: "crash" }));
      await service.untilReady();
    }
    writeFileSync(join(service.modelsDir, BROKEN), "");
    process.kill(service.engine.pid!, "SIGKILL");
    await service.untilReady(503);
    await expectReply("get", "/health/ready", 503, "not_ready", fetch(`${service.url}/health/ready`));
    await expectReply("post", "/batch", 503, "not_ready", fetch(`${service.url}/batch`, { method: "POST", headers: { "content-type": "application/jsonl" }, body: "{}" }));
    for (const task of TASKS) await expectReply("post", `/${task}`, 503, "not_ready", service.post(`/${task}`, { text: "A text." }));
  });

  test("every documented reply has been seen, and no other", () => {
    assert.deepEqual([...seen].sort(), [...new Set(documentedReplies())].sort());
  });
});
