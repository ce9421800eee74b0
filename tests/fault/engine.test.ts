import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { Config } from "../../src/config.js";
import type { GenerateRequest, StepEvent } from "../../src/engine/contract.js";
import { BROKEN, SWAPPED } from "../fixtures/fake-pipeline.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";

async function start(t: TestContext, settings: Partial<Config> = {}): Promise<FakeService> {
  const service = await startFake(settings);
  t.after(() => service.close());
  return service;
}

/** The value of a metric with just these labels; 0 when it has not been counted yet. */
async function metric(service: FakeService, name: string): Promise<number> {
  const text = await service.metrics.registry.metrics();
  return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? 0);
}

const textOf = async (response: Response) => ((await response.json()) as { results: { text: string }[] }).results[0]!.text;
const SLOW = { text: "slow going", steps: 40, seed: 7 };

describe("the engine process", () => {
  test("killed in the middle of a run, the request is run again and gives the same text", async (t) => {
    const service = await start(t);
    const undisturbed = await textOf(await service.post("/paraphrase", SLOW));
    const pid = service.engine.pid!;
    const disturbed = service.post("/paraphrase", SLOW);
    const waiting = service.post("/paraphrase", { text: "next", seed: 1 });
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 2);
    process.kill(pid, "SIGKILL");
    await service.untilReady(503);
    assert.equal((await fetch(`${service.url}/health/live`)).status, 200);
    assert.equal(await textOf(await disturbed), undisturbed);
    assert.equal((await waiting).status, 200);
    assert.notEqual(service.engine.pid, pid);
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="crash"}'), 1);
    assert.equal(await metric(service, "tdi_in_flight_rows"), 0);
  });

  test("a request that ends it twice is given up, those behind it are served", async (t) => {
    const service = await start(t);
    const [killer, next] = await Promise.all([service.post("/paraphrase", { text: "crash" }), service.post("/paraphrase", { text: "next" })]);
    assert.deepEqual([killer.status, killer.headers.get("retry-after"), next.status], [503, "1", 200]);
    assert.equal(((await killer.json()) as { code: string }).code, "engine_restarted");
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="crash"}'), 2);
  });

  test("lost in the middle of a batch, the culprit alone is given up", async (t) => {
    const service = await start(t, { maxBatchRows: 8 });
    const undisturbed = await textOf(await service.post("/paraphrase", SLOW));
    const mates = [1, 2, 3].map(() => service.post("/paraphrase", SLOW));
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 3);
    const culprit = await service.post("/paraphrase", { text: "late-crash", steps: 6 });
    assert.equal(culprit.status, 503);
    for (const mate of mates) assert.equal(await textOf(await mate), undisturbed);
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="crash"}'), 2);
  });

  test("without memory, or with more than it may have, it is replaced", async (t) => {
    const service = await start(t);
    assert.equal((await service.post("/paraphrase", { text: "no-memory" })).status, 503);
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="memory"}'), 2);
    await service.untilReady();
    await service.post("/paraphrase", { text: "a" });
    await until(async () => (await metric(service, 'tdi_engine_memory_bytes{engine="0"}')) > 1e7);
    const tight = await start(t, { maxEngineMb: 1 });
    await tight.post("/paraphrase", { text: "a" });
    await until(async () => (await metric(tight, 'tdi_engine_restarts_total{reason="memory"}')) >= 1);
  });

  test("one of two is lost: the other serves on, and readiness stays", async (t) => {
    const service = await start(t, { engines: 2 });
    const [pid] = service.engine.pids;
    const requests = Array.from({ length: 6 }, (_, seed) => service.post("/paraphrase", { ...SLOW, seed }));
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 6);
    process.kill(pid!, "SIGKILL");
    await until(async () => (await metric(service, "tdi_engines_ready")) === 1);
    assert.equal((await fetch(`${service.url}/health/ready`)).status, 200);
    for (const request of requests) assert.equal((await request).status, 200);
    await until(async () => (await metric(service, "tdi_engines_ready")) === 2);
  });

  test("standing still in a run, it is killed and replaced", async (t) => {
    const service = await start(t, { hangMs: 400 });
    const response = await service.post("/paraphrase", { text: "hang" });
    assert.equal(response.status, 503);
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="hang"}'), 2);
    await service.untilReady();
    assert.equal((await service.post("/paraphrase", { text: "next" })).status, 200);
  });

  test("a run longer than the hang time is no hang while it steps", async (t) => {
    const service = await start(t, { hangMs: 300 });
    assert.equal((await service.post("/paraphrase", SLOW)).status, 200);
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="hang"}'), 0);
  });

  test("frozen while idle, it is killed and replaced", async (t) => {
    const service = await start(t, { hangMs: 300 });
    process.kill(service.engine.pid!, "SIGSTOP");
    await service.untilReady(503);
    await service.untilReady();
    assert.equal(await metric(service, 'tdi_engine_restarts_total{reason="hang"}'), 1);
  });

  test("that cannot load again is tried again until it can", async (t) => {
    const service = await start(t);
    writeFileSync(join(service.modelsDir, BROKEN), "");
    process.kill(service.engine.pid!, "SIGKILL");
    await until(async () => (await metric(service, 'tdi_engine_restarts_total{reason="load"}')) >= 2);
    assert.equal((await service.post("/paraphrase", { text: "a" })).status, 503);
    rmSync(join(service.modelsDir, BROKEN));
    await service.untilReady();
    assert.equal((await service.post("/paraphrase", { text: "a" })).status, 200);
  });

  test("that comes back with other weights is not put to use until they are as they were", async (t) => {
    const service = await start(t);
    const answer = async () => ((await (await service.post("/paraphrase", { text: "a", seed: 3 })).json()) as { results: { text: string }[] }).results[0]!.text;
    const before = await answer();
    writeFileSync(join(service.modelsDir, SWAPPED), "");
    process.kill(service.engine.pid!, "SIGKILL");
    await until(async () => (await metric(service, 'tdi_engine_restarts_total{reason="load"}')) >= 2);
    assert.equal((await service.post("/paraphrase", { text: "a" })).status, 503);
    assert.equal((await fetch(`${service.url}/health/live`)).status, 200);
    rmSync(join(service.modelsDir, SWAPPED));
    await service.untilReady();
    assert.equal(await answer(), before);
  });

  test("that has not loaded in time is an error of the start", async (t) => {
    const service = await startFake({ loadMs: 1 }, { early: true });
    t.after(() => service.close());
    await assert.rejects(service.loaded, /was not ready after 1 ms/);
  });

  test("runs with the runtime's usage reports off", async (t) => {
    // The environment of another process can be read on Linux alone.
    if (process.platform !== "linux") return;
    const service = await start(t);
    const environment = readFileSync(`/proc/${service.engine.pid}/environ`, "utf8").split("\0");
    assert.ok(environment.includes("ORT_DISABLE_TELEMETRY=1"));
    assert.ok(environment.includes("MALLOC_TRIM_THRESHOLD_=65536"));
  });
});

/** Two texts, two candidates each. */
const request = (everySteps?: number): GenerateRequest => ({
  task: "paraphrase",
  texts: ["one", "two"],
  options: { numCandidates: 2, bestOf: 2, seed: 1, steps: 5, truncation: "error", canvas: "auto" },
  ...(everySteps && { progress: { everySteps } }),
});

describe("progress", () => {
  test("every row is reported after every so many steps and after its last, before the reply", async (t) => {
    const service = await start(t);
    const events: StepEvent[] = [];
    let replied = false;
    await service.engine.submit(request(2), new AbortController().signal, (event) => {
      assert.equal(replied, false);
      events.push(event);
    });
    replied = true;
    for (const index of [0, 1]) {
      for (const candidate of [0, 1]) {
        const mine = events.filter((event) => event.index === index && event.candidate === candidate);
        assert.deepEqual(mine.map(({ step, steps }) => [step, steps]), [[2, 5], [4, 5], [5, 5]]);
      }
    }
  });

  test("is not told unasked", async (t) => {
    const service = await start(t);
    await service.engine.submit(request(), new AbortController().signal, () => assert.fail("an event"));
  });
});

describe("a request that is not wanted any more", () => {
  test("is stopped within a step when its client goes", async (t) => {
    const service = await start(t);
    const client = new AbortController();
    const request = fetch(`${service.url}/paraphrase`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...SLOW, steps: 100 }),
      signal: client.signal,
    });
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 1);
    const gone = performance.now();
    client.abort();
    await assert.rejects(request);
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 0);
    // The whole run takes 100 steps of 20 ms and more.
    assert.ok(performance.now() - gone < 1_000);
    assert.equal(await metric(service, 'tdi_cancelled_total{reason="client_gone"}'), 1);
    assert.ok((await metric(service, 'tdi_denoising_step_rows_count{task="paraphrase"}')) < 60);
    await until(async () => (await metric(service, 'tdi_requests_total{route="/paraphrase",task="paraphrase",status="499"}')) === 1);
  });

  test("is revised no further when its client goes", async (t) => {
    const service = await start(t);
    const client = new AbortController();
    let revised = 0;
    const revising = service.engine.submit({ ...request(5), texts: ["revised without end"] }, client.signal, () => (revised += 1));
    await until(async () => revised > 3);
    client.abort();
    await assert.rejects(revising);
    // The engine has nothing else to do than serve the next.
    assert.equal((await service.post("/paraphrase", { text: "next" })).status, 200);
  });

  test("leaves the queue at its deadline, while the engine is still held up by the run before it", async (t) => {
    const service = await start(t, { deadlineMs: 400, hangMs: 2_000 });
    // More rows than the engine process is given at a time.
    const first = service.post("/paraphrase", { text: "hang", num_candidates: 8 });
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 8);
    const second = service.post("/paraphrase", { text: "b", num_candidates: 5 });
    await until(async () => (await metric(service, "tdi_queue_rows")) === 5);
    assert.deepEqual([(await first).status, (await second).status], [504, 504]);
    assert.deepEqual([await metric(service, "tdi_queue_rows"), await metric(service, "tdi_in_flight_rows")], [0, 8]);
    assert.equal(await metric(service, 'tdi_cancelled_total{reason="deadline"}'), 2);
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 0);
    await service.untilReady();
    assert.equal((await service.post("/paraphrase", { text: "c" })).status, 200);
  });
});
