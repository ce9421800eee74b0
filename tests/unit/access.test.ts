import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, test, type TestContext } from "node:test";
import { pino } from "pino";
import { clientOfAddress } from "../../src/access/address.js";
import { digestOf, findKey, KeyError, parseKey, parseKeyFile, parseKeys } from "../../src/access/keys.js";
import { Rates } from "../../src/access/rates.js";
import type { Config } from "../../src/config.js";
import { TdiError } from "../../src/errors.js";
import { createApp } from "../../src/routes/app.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";

const [ONE, TWO, SCRAPER] = ["one-secret-key-of-the-server", "two-secret-key-of-the-server", "metrics-secret-key-of-the-server"];
const line = (name: string, key: string, scopes = "") => `${name}:sha256-${digestOf(key).toString("hex")}${scopes}\n`;
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function start(t: TestContext, settings: Partial<Config>, logger?: ReturnType<typeof logged>["logger"]): Promise<FakeService> {
  const service = await startFake(settings, logger && { logger });
  t.after(() => service.close());
  return service;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "tdi-test-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function logged() {
  const chunks: string[] = [];
  const logger = pino({ level: "info" }, new Writable({ write: (chunk, _encoding, done) => (chunks.push(String(chunk)), done()) }));
  return { logger, text: () => chunks.join("") };
}

describe("API keys", () => {
  test("given plainly or as digests, with scopes", () => {
    const keys = parseKeys(`one:${ONE}, two:sha256-${digestOf(TWO).toString("hex")}:generate+metrics\n`);
    assert.deepEqual(keys.map(({ name, scopes }) => [name, ...scopes]), [["one", "generate"], ["two", "generate", "metrics"]]);
    assert.equal(findKey(keys, ONE)?.name, "one");
    assert.equal(findKey(keys, TWO)?.name, "two");
    for (const wrong of ["", `${ONE} `, ONE.slice(0, -1), digestOf(TWO).toString("hex"), `sha256-${digestOf(TWO).toString("hex")}`]) assert.equal(findKey(keys, wrong), undefined);
    assert.ok(!JSON.stringify(keys).includes(ONE));
  });

  test("what is wrong with one is told without a word of it", () => {
    const secret = "secret+plugh";
    for (const entry of ["", secret, `:${secret}xxxxxxxxxxxxxxx`, `na me:${secret}xxxxxxxxxxxxxxx`, `name:${secret}`, `name:sha256-${secret}`, `name:${secret}xxxxxxxxxx:write`, `name:${secret}xxxxxxxxxx:generate:x`, `name:${secret} xxxxxxxxxx`]) {
      assert.throws(() => parseKey(entry, true), (error) => error instanceof KeyError && !error.message.includes("plugh"), entry);
    }
    assert.throws(() => parseKeyFile(`# keys\n\n${line("a", ONE)}b:${TWO}\n`), (error) => error instanceof KeyError && /^line 4: .*digests only/.test(error.message) && !error.message.includes(TWO));
  });

  test("an address is a client, of IPv6 the /64", () => {
    const clients = [["192.0.2.7", "192.0.2.7"], ["::ffff:192.0.2.7", "192.0.2.7"], ["2001:db8::1", "2001:db8:0:0::/64"], ["2001:0db8:0:0:ffff:1:2:3", "2001:db8:0:0::/64"], ["2001:db8:0:1::", "2001:db8:0:1::/64"], ["::1", "0:0:0:0::/64"], ["fe80::1%eth0", "fe80:0:0:0::/64"], ["", ""]];
    for (const [address, client] of clients) assert.equal(clientOfAddress(address!), client);
  });
});

describe("a server with keys", () => {
  /** Written out here once more: a path must not become public by a slip in the one list. */
  const PUBLIC = ["GET /", "GET /docs", "GET /assets/:name", "GET /openapi.yaml", "GET /health/live", "GET /health/ready"];

  test("every route and method is closed without a key, but for those that are meant to be open", async (t) => {
    const service = await start(t, { apiKeys: parseKeys(`one:${ONE}`) });
    const app = createApp({ engine: service.engine, config: service.config, logger: pino({ level: "silent" }), metrics: service.metrics });
    const paths = app.router.stack.flatMap(({ route }) => (route ? [route.path] : []));
    assert.ok(paths.length >= 10);
    const open: string[] = [];
    for (const path of [...paths, "/nowhere", "/assets/a/b", "//info", "/health/live/"]) {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
        const response = await fetch(service.url + path.replace(":name", "icon.svg"), { method });
        await response.arrayBuffer();
        if (response.status !== 401) open.push(`${method} ${path}`);
        else assert.match(response.headers.get("www-authenticate")!, /^Bearer /);
      }
    }
    assert.deepEqual(open.filter((each) => !each.startsWith("HEAD")).sort(), [...PUBLIC].sort());
    assert.deepEqual(open.filter((each) => each.startsWith("HEAD")).sort(), PUBLIC.map((each) => each.replace("GET", "HEAD")).sort());
  });

  test("odd credentials are refused, good ones are taken", async (t) => {
    const service = await start(t, { apiKeys: parseKeys(`one:${ONE}`) });
    const status = async (authorization: string) => (await fetch(`${service.url}/info`, { headers: { authorization } })).status;
    for (const bad of ["", "Bearer", "Bearer ", ONE, `Basic ${ONE}`, `Bearer ${ONE}x`, `Bearer ${ONE} ${ONE}`, `Bearer ${ONE.toUpperCase()}`, `Bearer ${"x".repeat(8_000)}`]) assert.equal(await status(bad), 401, bad.slice(0, 40));
    for (const good of [`Bearer ${ONE}`, `bearer  ${ONE}`]) assert.equal(await status(good), 200);
  });

  test("keys are rotated without a restart; a file that is wrong changes nothing", async (t) => {
    const file = join(folder(t), "keys");
    writeFileSync(file, line("old", ONE));
    const log = logged();
    const service = await start(t, { apiKeysFile: file }, log.logger);
    const status = async (key: string) => (await fetch(`${service.url}/info`, { headers: bearer(key) })).status;
    assert.deepEqual([await status(ONE), await status(TWO)], [200, 401]);
    writeFileSync(file, line("old", ONE) + line("new", TWO));
    await until(async () => (await status(TWO)) === 200);
    assert.equal(await status(ONE), 200);
    writeFileSync(file, `new:${TWO}\n`);
    await until(() => log.text().includes("the keys before it stay"));
    assert.deepEqual([await status(ONE), await status(TWO)], [200, 200]);
    writeFileSync(file, `# none of the old ones\n${line("new", TWO)}`);
    await until(async () => (await status(ONE)) === 401);
    assert.equal(await status(TWO), 200);
    writeFileSync(file, "");
    await until(async () => (await status(TWO)) === 401);
    for (const secret of [ONE, TWO]) assert.ok(!log.text().includes(secret));
    assert.match(log.text(), /"key":"old"/);
  });

  test("the log says it when everybody is let in", async (t) => {
    const [open, closed] = [logged(), logged()];
    await start(t, {}, open.logger);
    await start(t, { apiKeys: parseKeys(`one:${ONE}`) }, closed.logger);
    assert.match(open.text(), /no API keys are configured/);
    assert.doesNotMatch(closed.text(), /no API keys are configured/);
  });

  test("each key has its own share of the queue and its own rates; the scope metrics opens the metrics alone", async (t) => {
    const service = await start(t, { apiKeys: parseKeys(`one:${ONE} two:${TWO} scraper:${SCRAPER}:metrics`), maxRequestsPerMinute: 5, maxRowsPerMinute: 64 });
    const post = (key: string, body: object) => service.post("/paraphrase", body, bearer(key));
    assert.equal((await post(ONE, { text: Array(32).fill("a"), num_candidates: 2 })).status, 200);
    const refused = await post(ONE, { text: "a" });
    assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [429, "rate_limited"]);
    const seconds = Number(refused.headers.get("retry-after"));
    assert.ok(seconds >= 1 && seconds <= 60);
    assert.equal((await post(TWO, { text: "a" })).status, 200);
    for (let i = 0; i < 3; i += 1) await post(ONE, { text: "a" });
    const many = await post(ONE, { text: "" });
    assert.deepEqual([many.status, ((await many.json()) as { detail: string }).detail.includes("5 requests")], [429, true]);
    assert.equal((await fetch(`${service.url}/metrics`, { headers: bearer(SCRAPER) })).status, 200);
    assert.equal((await fetch(`${service.url}/health/ready`)).status, 200);
  });
});

describe("rates", () => {
  test("what is refused is not counted", async () => {
    const rates = new Rates({ maxRequestsPerMinute: 0, maxRowsPerMinute: 10 });
    await rates.countRows("a", 6);
    await assert.rejects(rates.countRows("a", 5), (error) => error instanceof TdiError && error.code === "rate_limited");
    await rates.countRows("a", 4);
    await assert.rejects(rates.countRows("a", 1));
    await rates.countRows("b", 10);
    for (let i = 0; i < 100; i += 1) await rates.countRequest("a");
  });
});

describe("browsers", () => {
  const ORIGIN = "https://app.example";

  test("no page of another origin may read a reply, unless it is on the list", async (t) => {
    const closed = await start(t, {});
    const open = await start(t, { corsOrigins: [ORIGIN] });
    const allowed = async (service: FakeService, origin: string) => (await fetch(`${service.url}/info`, { headers: { origin } })).headers.get("access-control-allow-origin");
    assert.equal(await allowed(closed, ORIGIN), null);
    assert.equal(await allowed(open, ORIGIN), ORIGIN);
    for (const origin of ["https://app.example.evil", "http://app.example", "null", "https://evil.example"]) assert.equal(await allowed(open, origin), null);
    const reply = await open.post("/paraphrase", { text: "a" }, { origin: ORIGIN });
    assert.deepEqual([reply.status, reply.headers.get("access-control-allow-origin"), reply.headers.get("access-control-allow-credentials")], [200, ORIGIN, null]);
    assert.match(reply.headers.get("vary")!, /origin/i);
    assert.match(reply.headers.get("vary")!, /accept/i);
  });

  test("a preflight is answered without a key", async (t) => {
    const service = await start(t, { corsOrigins: [ORIGIN], apiKeys: parseKeys(`one:${ONE}`) });
    const ask = await fetch(`${service.url}/paraphrase`, { method: "OPTIONS", headers: { origin: ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type" } });
    assert.deepEqual([ask.status, ask.headers.get("access-control-allow-origin"), ask.headers.get("allow")], [204, ORIGIN, "POST, OPTIONS"]);
    assert.match(ask.headers.get("access-control-allow-headers")!, /authorization/);
  });

  test("headers against misuse on every reply, a policy that the pages' own files fit on the pages", async (t) => {
    const service = await start(t, {});
    for (const path of ["/", "/docs", "/info", "/nowhere", "/assets/playground.js"]) {
      const { headers } = await fetch(service.url + path);
      for (const [name, value] of [["x-content-type-options", "nosniff"], ["referrer-policy", "no-referrer"], ["cross-origin-opener-policy", "same-origin"], ["cross-origin-resource-policy", "same-origin"], ["x-frame-options", "SAMEORIGIN"]]) assert.equal(headers.get(name!), value, path);
      assert.match(headers.get("content-security-policy")!, /^default-src 'none';/);
      assert.doesNotMatch(headers.get("content-security-policy")!, /unsafe|\*|http:/);
    }
    for (const path of ["/", "/docs"]) {
      const html = await (await fetch(service.url + path)).text();
      assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:/i);
      for (const [, address] of html.matchAll(/(?:src|href)="([^"]+)"/g)) assert.equal((await fetch(service.url + address!)).status, 200, address);
    }
  });

  test("behind trusted proxies a client is the address that they tell", async (t) => {
    const status = async (service: FakeService, client: string) => (await fetch(`${service.url}/info`, { headers: { "x-forwarded-for": client } })).status;
    const proxied = await start(t, { trustedProxies: 1, maxRequestsPerMinute: 1 });
    assert.deepEqual([await status(proxied, "192.0.2.1"), await status(proxied, "192.0.2.1"), await status(proxied, "192.0.2.2"), await status(proxied, "192.0.2.9, 192.0.2.1")], [200, 429, 200, 429]);
    const direct = await start(t, { maxRequestsPerMinute: 1 });
    assert.deepEqual([await status(direct, "192.0.2.1"), await status(direct, "192.0.2.2")], [200, 429]);
  });
});
