import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { growth, type Sample } from "../../bench/leak.js";
import { random } from "../../bench/random.js";
import type { Config } from "../../src/config.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";
import { spawnServer } from "../fixtures/server-process.js";

const LOAD: Partial<Config> = { engines: 2, maxClientRows: 256 };

async function start(t: TestContext, settings: Partial<Config> = {}): Promise<FakeService> {
  const service = await startFake({ ...LOAD, ...settings });
  t.after(() => service.close());
  return service;
}

async function metric(service: FakeService, name: string): Promise<number> {
  const text = await service.metrics.registry.metrics();
  return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? 0);
}

const textOf = async (response: Response) => ((await response.json()) as { results: { text: string }[] }).results[0]!.text;

describe("under load", () => {
  for (const [signal, reason] of [["SIGKILL", "crash"], ["SIGSTOP", "hang"]] as const) {
    test(`${signal} of one of two engine processes: every request is answered, with the text of its seed`, async (t) => {
      const service = await start(t, { hangMs: 400 });
      const body = (seed: number) => ({ text: `slow ${seed % 7}`, seed, steps: 4 + (seed % 9), num_candidates: 1 + (seed % 3) });
      const seeds = Array.from({ length: 40 }, (_, i) => i);
      const undisturbed = await Promise.all(seeds.map(async (seed) => textOf(await service.post("/paraphrase", body(seed)))));
      const requests = seeds.map((seed) => service.post("/paraphrase", body(seed)));
      await until(async () => (await metric(service, "tdi_in_flight_rows")) > 8);
      process.kill(service.engine.pids[0]!, signal);
      for (const [i, request] of requests.entries()) assert.equal(await textOf(await request), undisturbed[i]);
      assert.equal(await metric(service, `tdi_engine_restarts_total{reason="${reason}"}`), 1);
      await until(async () => (await metric(service, "tdi_engines_ready")) === 2);
      assert.equal(service.engine.rows, 0);
    });
  }

  test("liveness and metrics are answered while every engine process is in a blocking call", async () => {
    const service = await startFake({ ...LOAD, hangMs: 60_000, drainMs: 200 });
    const blocked = [1, 2].map((seed) => service.post("/paraphrase", { text: "hang", seed, num_candidates: 10 }));
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 20);
    for (let i = 0; i < 50; i += 1) assert.equal((await fetch(`${service.url}/health/live`)).status, 200);
    assert.equal((await fetch(`${service.url}/metrics`)).status, 200);
    assert.equal(await metric(service, "tdi_in_flight_rows"), 20);
    // At its end the server does not wait for them.
    await service.close();
    assert.deepEqual((await Promise.all(blocked)).map((response) => response?.status), [503, 503]);
  });

  test("a client's flood does not keep another's request waiting to its end", async (t) => {
    const service = await start(t, { engines: 1, maxBatchRows: 2 });
    const order: string[] = [];
    const submit = (client: string, seed: number) =>
      service.engine
        .submit({ task: "paraphrase", texts: ["slow"], client, options: { numCandidates: 1, bestOf: 1, seed, steps: 4, truncation: "error", canvas: "auto" } }, new AbortController().signal)
        .then(() => order.push(client));
    const flood = Array.from({ length: 20 }, (_, seed) => submit("flood", seed));
    await Promise.all([...flood, submit("lone", 1)]);
    assert.ok(order.indexOf("lone") < 8, order.join(" "));
  });

  test("200 clients that leave at random: no row stays behind, and those that stay are answered", async (t) => {
    const service = await start(t);
    const draw = random(3);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, async (_, seed) => {
        const leaves = draw() < 0.7;
        const signal = leaves ? AbortSignal.timeout(Math.floor(draw() * 1_000)) : AbortSignal.timeout(60_000);
        const body = JSON.stringify({ text: draw() < 0.5 ? "slow" : ["one", "two"], seed, steps: 1 + Math.floor(draw() * 40) });
        const response = await fetch(`${service.url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body, signal }).catch(() => undefined);
        await response?.arrayBuffer().catch(() => undefined);
        return leaves || response?.status === 200 || response?.status === 429;
      }),
    );
    assert.ok(outcomes.every(Boolean));
    await until(() => service.engine.rows === 0);
    assert.deepEqual([await metric(service, "tdi_in_flight_rows"), await metric(service, "tdi_queue_rows")], [0, 0]);
    assert.ok((await metric(service, 'tdi_cancelled_total{reason="client_gone"}')) > 0);
    assert.equal((await service.post("/paraphrase", { text: "after" })).status, 200);
  });
});

describe("memory", () => {
  let models: string;
  before(() => {
    models = mkdtempSync(join(tmpdir(), "tdi-test-"));
  });
  after(() => rmSync(models, { recursive: true }));

  /** Heap in use over 600 requests, a third of which are cut off by their clients. */
  async function samplesOf(t: TestContext, main: string): Promise<Sample[]> {
    const server = spawnServer(`dist/tests/fixtures/${main}.js`, ["--port", "0", "--models-dir", models, "--engines", "1", "--grace-ms", "0"]);
    t.after(() => server.child.kill("SIGKILL"));
    const url = await server.url();
    await until(async () => (await fetch(`${url}/health/ready`)).status === 200, 30_000);
    const samples: Sample[] = [];
    for (let round = 1; round <= 20; round += 1) {
      await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          const signal = i % 3 === 0 ? AbortSignal.timeout(5) : AbortSignal.timeout(60_000);
          const body = JSON.stringify({ text: "a text", steps: 1 + (i % 4), seed: i });
          const response = await fetch(`${url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body, signal }).catch(() => undefined);
          await response?.arrayBuffer().catch(() => undefined);
        }),
      );
      // Two collections of the server's garbage lie between.
      await new Promise((resume) => setTimeout(resume, 250));
      const metrics = await (await fetch(`${url}/metrics`)).text();
      samples.push({ requests: 30 * round, heap: Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(metrics)?.[1]) });
    }
    return samples;
  }

  /** Bytes a request; the leaky server keeps over ten times as much. */
  const MOST_GROWTH = 2_000;

  test("does not grow with the requests", async (t) => {
    const samples = await samplesOf(t, "collecting-main");
    assert.ok(growth(samples) < MOST_GROWTH, `${growth(samples)} bytes a request`);
  });

  test("of a server that leaks does, so the check can fail", async (t) => {
    const samples = await samplesOf(t, "leaky-main");
    assert.ok(growth(samples) > MOST_GROWTH, `${growth(samples)} bytes a request`);
  });
});
