/**
 * `npm run bench:load [-- flags]`: the shipped paraphraser under an open load, with continuous batching, static batches and
 * no batching in one run, as a table and a plot in bench/results.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Batching } from "../src/engine/step-scheduler.js";
import { type Answer, type Call, openLoop, watchHealth } from "./load-generator.js";
import { QUESTIONS } from "./questions.js";
import { random, type Random } from "./random.js";
import { figure, table, writeReport } from "./report.js";
import { type BenchServer, startServer } from "./server.js";
import { STEPS } from "./simulated-loads.js";
import { quantile } from "./simulation.js";
import { givenArguments } from "./processes.js";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    loads: { type: "string", default: "0.5,0.7,0.85" },
    calibration: { type: "string", default: "20" },
    "limit-ms": { type: "string", default: "2000" },
    "max-batch-rows": { type: "string", default: "8" },
    guidance: { type: "string" },
    name: { type: "string", default: "load" },
  },
});
const seconds = Number(flags.seconds);
const limitMs = Number(flags["limit-ms"]);
const POLICIES: readonly Batching[] = ["continuous", "static", "off"];
const NAMES: Record<Batching, string> = { continuous: "continuous", static: "static batches", off: "no batching" };
const SEED = 1;
const HEALTH_MS = 50;

interface Measured {
  load: number;
  rate: number;
  policy: Batching;
  requests: number;
  goodput: number;
  failed: number;
  p50: number;
  p95: number;
  p99: number;
  p95Short: number;
  /** Rows in a call, in the mean, twins included. */
  rowsPerCall: number;
  healthP99: number;
}

const LEAST_STEPS = Math.min(...STEPS.map(({ steps }) => steps));

function nextCall(draw: Random): () => Call {
  return () => {
    let left = draw();
    const { steps } = STEPS.find(({ share }) => (left -= share) < 0) ?? STEPS.at(-1)!;
    const text = QUESTIONS[Math.floor(draw() * QUESTIONS.length)]!;
    const guidance = flags.guidance === undefined ? {} : { guidance: Number(flags.guidance) };
    return { path: "/paraphrase", kind: String(steps), body: { text, steps, best_of: 1, seed: Math.floor(draw() * 2 ** 32), truncation: "end", ...guidance } };
  };
}

function serverWith(policy: Batching): Promise<BenchServer> {
  // The load comes from one address, so one client may have the whole queue.
  return startServer(["--batching", policy, "--max-batch-rows", flags["max-batch-rows"], "--max-client-rows", "256", "--log-level", "info"]);
}

/** Requests a second of the mixed load when every engine always has one: what no batching can do at most. */
async function calibrate(): Promise<number> {
  const server = await serverWith("off");
  const next = nextCall(random(SEED));
  const end = performance.now() + 1000 * Number(flags.calibration);
  const began = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() < end) {
      const { path, body } = next();
      const response = await fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      await response.arrayBuffer();
      if (response.ok) done += 1;
    }
  };
  await Promise.all(Array.from({ length: 2 * (await server.metric("tdi_engines_ready")) }, worker));
  const rate = done / ((performance.now() - began) / 1000);
  await server.stop();
  return rate;
}

async function measure(policy: Batching, load: number, capacity: number): Promise<Measured> {
  const server = await serverWith(policy);
  const rate = load * capacity;
  const draw = random(SEED);
  const stop = new AbortController();
  const health = watchHealth(server.url, HEALTH_MS, stop.signal);
  const answers = await openLoop(server.url, rate, seconds, draw, nextCall(random(SEED + 1)), 60_000);
  stop.abort();
  const rows = await server.metric("tdi_denoising_step_rows_sum");
  const calls = await server.metric("tdi_denoising_step_rows_count");
  await server.stop();
  // The first tenth fills the queue and is not counted.
  const counted = answers.filter(({ dueAt }) => dueAt >= 100 * seconds);
  const times = (of: readonly Answer[]) => of.filter(({ status }) => status === 200).map(({ ms }) => ms).sort((a, b) => a - b);
  const all = times(counted);
  return {
    load,
    rate,
    policy,
    requests: counted.length,
    goodput: all.filter((ms) => ms <= limitMs).length / (0.9 * seconds),
    failed: counted.filter(({ status }) => status !== 200).length,
    p50: quantile(all, 0.5),
    p95: quantile(all, 0.95),
    p99: quantile(all, 0.99),
    p95Short: quantile(times(counted.filter(({ kind }) => kind === String(LEAST_STEPS))), 0.95),
    rowsPerCall: rows / calls,
    healthP99: quantile((await health).sort((a, b) => a - b), 0.99),
  };
}

const capacity = await calibrate();
console.log(`no batching does ${figure(capacity)} requests/s at most`);
const results: Measured[] = [];
for (const load of flags.loads.split(",").map(Number)) {
  for (const policy of POLICIES) {
    const measured = await measure(policy, load, capacity);
    results.push(measured);
    console.log(JSON.stringify(measured));
  }
}

const processor = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
const markdown = `# The embedded paraphraser under load

Made by \`npm run bench:load${givenArguments()}\` on ${processor}; client and server share them. Measured, not simulated. Poisson arrivals, the same for
every policy; latency from the arrival that was due. Steps ${STEPS.map(({ share, steps }) => `${steps} (${Math.round(100 * share)} %)`).join(", ")}; ${QUESTIONS.length} questions of three lengths. 100 % load is what no
batching does at most, measured first: ${figure(capacity)} requests/s. ${seconds} s a line, of which the first tenth is not counted; up to ${flags["max-batch-rows"]} rows under way in each engine.

${table(
  ["load", "policy", "requests", "goodput, requests/s", "not answered", "p50 ms", "p95 ms", "p99 ms", `p95 of ${LEAST_STEPS} steps ms`, "rows a call", "/health/live p99 ms"],
  results.map((m) => [`${Math.round(100 * m.load)} %`, NAMES[m.policy], String(m.requests), figure(m.goodput), String(m.failed), ...[m.p50, m.p95, m.p99, m.p95Short].map(figure), m.rowsPerCall.toFixed(2), figure(m.healthP99)]),
)}

Goodput: answers within ${limitMs} ms.`;
const panel = (title: string, of: (measured: Measured) => number) => ({
  title, x: "load, % of what no batching can do", y: "ms",
  series: POLICIES.map((policy) => ({ name: NAMES[policy], points: results.filter((m) => m.policy === policy).map((m) => [100 * m.load, of(m)] as const) })),
});
console.log(`wrote ${writeReport(flags.name, markdown, { processor, capacity, results }, [panel("95th percentile", (m) => m.p95), panel(`95th percentile of ${LEAST_STEPS} steps`, (m) => m.p95Short)])}`);
