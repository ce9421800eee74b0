/**
 * `npm run soak [-- --requests 5000 --kills 6]`: the long form of tests/fault/load.test.ts on the shipped models. Clients that
 * leave at random, engine processes that are killed and stopped, memory over thousands of requests, and a leaking server that
 * the check for leaks must find. Writes bench/results/soak.*; exit code 1 when anything is not as it should be.
 */
import { mkdtempSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { growth, type Sample } from "./leak.js";
import { watchHealth } from "./load-generator.js";
import { random } from "./random.js";
import { figure, writeReport } from "./report.js";
import { type BenchServer, startServer } from "./server.js";
import { quantile } from "./simulation.js";
import { ask, bodyOf, enginesOf, Findings, knownTexts, MOST_GROWTH, settled, TIMEOUT_MS } from "./soaking.js";
import { givenArguments } from "./processes.js";

const { values: flags } = parseArgs({ options: { requests: { type: "string", default: "5000" }, kills: { type: "string", default: "6" }, clients: { type: "string", default: "200" } } });
const REQUESTS = Number(flags.requests);
const CLIENTS = Number(flags.clients);
const KILLS = Number(flags.kills);
const READY_AGAIN_MS = 10_000;
const draw = random(1);

const findings = new Findings();

interface Memory extends Sample {
  resident: number;
  engines: number;
}

/** Keeps clients busy until so many requests were sent; a share of them is cut off. Returns memory over the requests, and statuses. */
async function disconnecting(server: BenchServer, requests: number, clients: number): Promise<{ samples: Memory[]; statuses: Map<number, number> }> {
  const samples: Memory[] = [];
  const statuses = new Map<number, number>();
  let sent = 0;
  const client = async () => {
    while (sent < requests) {
      const seed = (sent += 1);
      const signal = draw() < 0.3 ? AbortSignal.timeout(1 + Math.floor(draw() * 2_000)) : AbortSignal.timeout(TIMEOUT_MS);
      const { status } = await ask(server, "/paraphrase", bodyOf(seed), signal).catch(() => ({ status: 0 }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (seed % Math.ceil(requests / 40) !== 0) continue;
      const [heap, resident, engines] = [await server.metric("nodejs_heap_size_used_bytes"), await server.metric("process_resident_memory_bytes"), await server.metric("tdi_engine_memory_bytes")];
      samples.push({ requests: seed, heap, resident, engines });
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { samples: samples.sort((a, b) => a.requests - b.requests), statuses };
}

const FLAGS = ["--max-client-rows", "256"];

// 1. Clients that leave: memory over thousands of requests, of what is in use alone.
const collecting = await startServer(FLAGS, "dist/tests/fixtures/collecting-real-main.js");
const { samples } = await disconnecting(collecting, REQUESTS, CLIENTS);
findings.check("growth of the heap", `${figure(growth(samples))} bytes a request`, growth(samples) < MOST_GROWTH);
findings.check("rows in flight afterwards", String(await collecting.metric("tdi_in_flight_rows")), await settled(collecting));
await collecting.stop();

// 2. Liveness while every core computes.
const server = await startServer(FLAGS);
const alone = await knownTexts(server);
const stop = new AbortController();
const health = watchHealth(server.url, 50, stop.signal);
const { statuses } = await disconnecting(server, Math.ceil(REQUESTS / 5), CLIENTS);
stop.abort();
const live = (await health).sort((a, b) => a - b);
findings.check("clients that left or were answered", [...statuses].map(([status, count]) => `${status || "left"}: ${count}`).join(", "), [...statuses.keys()].every((status) => [0, 200].includes(status)));
findings.check("rows in flight afterwards, on the server as it is", String(await server.metric("tdi_in_flight_rows")), await settled(server));
findings.check("/health/live p99 while saturated", `${figure(quantile(live, 0.99))} ms of ${live.length}`, quantile(live, 0.99) < 20);

// 3. Engine processes lost under load: every request is answered, with the text that its seed gives alone.
for (let kill = 0; kill < KILLS; kill += 1) {
  const signal = kill % 2 === 0 ? "SIGKILL" : "SIGSTOP";
  const engines = await server.metric("tdi_engines_ready");
  const asked = alone.map((_, seed) => ask(server, "/paraphrase", bodyOf(seed), AbortSignal.timeout(TIMEOUT_MS)).catch(() => ({ status: 0, text: "" })));
  await sleep(100 + draw() * 200);
  const victim = enginesOf(server)[0]!;
  process.kill(victim, signal);
  const began = performance.now();
  const answers = await Promise.all(asked);
  const same = answers.filter(({ status, text }, i) => status === 200 && text === alone[i]).length;
  const retryable = answers.filter(({ status }) => status === 503).length;
  findings.check(`${signal} under load`, `${same} of ${answers.length} answered with the text of their seed, ${retryable} told to retry`, same + retryable === answers.length);
  while ((await server.metric("tdi_engines_ready")) < engines || enginesOf(server).includes(victim)) {
    if (performance.now() - began > 120_000) break;
    await sleep(100);
  }
  const backMs = performance.now() - began;
  const limit = READY_AGAIN_MS + (signal === "SIGSTOP" ? 30_000 : 0);
  findings.check("all engines ready again", `after ${figure(backMs / 1000)} s${signal === "SIGSTOP" ? ", --hang-ms of 30 s included" : ""}`, backMs < limit);
}
const code = new Promise<number | null>((resolve) => server.child.once("exit", resolve));
await server.stop();
findings.check("exit code after SIGTERM", String(await code), (await code) === 0);

// 4. The check for leaks finds a leak.
const leaky = await startServer(["--models-dir", mkdtempSync(join(tmpdir(), "tdi-soak-")), "--max-client-rows", "256", "--engines", "1"], "dist/tests/fixtures/leaky-main.js");
const leaked = await disconnecting(leaky, 2_000, 50);
await leaky.stop();
findings.check("a leaking server is found", `${figure(growth(leaked.samples))} bytes a request`, growth(leaked.samples) > MOST_GROWTH);

const markdown = `# Soak

Made by \`npm run soak${givenArguments()}\` on ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}: ${REQUESTS} requests of 4 steps from ${CLIENTS} clients at a time, three in ten of which leave before their answer.

${findings.table()}`;
const series = (name: string, of: (sample: Memory) => number, list: readonly Memory[]) => ({ name, points: list.map((sample) => [sample.requests, of(sample) / 1e6] as const) });
const path = writeReport("soak", markdown, { findings: findings.all, samples, leaked: leaked.samples }, [
  { title: "Memory of the server", x: "requests", y: "MB", series: [series("heap", (s) => s.heap, samples), series("resident", (s) => s.resident, samples), series("engines, resident", (s) => s.engines, samples)] },
  { title: "A server that leaks", x: "requests", y: "MB", series: [series("heap", (s) => s.heap, leaked.samples)] },
]);
console.log(`wrote ${path}`);
process.exit(findings.good ? 0 : 1);
