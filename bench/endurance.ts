/**
 * `npm run soak:hour [-- --minutes 60 --load 0.8 --kill-every 300]`: the shipped models under a steady open load for an hour, of short and long
 * paraphrases and summaries, with clients that leave and engine processes that are killed or frozen at random. Nothing may be lost, one seed must keep its
 * text from the first minute to the last, and memory must not grow (that this check can fail is shown by `npm run soak`; in a run of a minute or two it does,
 * since caches fill and code is compiled).
 * Writes bench/results/endurance.*; exit code 1 when anything is not as it should be.
 */
import { availableParallelism, cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { closedLoop } from "./closed-loop.js";
import { growth } from "./leak.js";
import { arrivals, watchHealth } from "./load-generator.js";
import { ARTICLE, QUESTIONS } from "./questions.js";
import { random } from "./random.js";
import { figure, writeReport } from "./report.js";
import { startServer } from "./server.js";
import { quantile } from "./simulation.js";
import { ask, bodyOf, enginesOf, Findings, KNOWN, knownTexts, MOST_GROWTH, settled, TIMEOUT_MS } from "./soaking.js";
import { givenArguments } from "./processes.js";

const { values: flags } = parseArgs({
  options: { minutes: { type: "string", default: "60" }, load: { type: "string", default: "0.8" }, "kill-every": { type: "string", default: "300" }, calibration: { type: "string", default: "200" } },
});
const MS = Number(flags.minutes) * 60_000;
const LOAD = Number(flags.load);
const KILL_EVERY_MS = Number(flags["kill-every"]) * 1000;
/** Share of the clients that leave before their answer. */
const LEAVING = 0.1;
const SAMPLE_MS = Math.min(15_000, MS / 40);
const draw = random(1);

interface Asked {
  path: string;
  body: Record<string, unknown>;
  /** Of a question whose text is known. */
  seed?: number;
}

/** Seven in ten are questions in four steps whose text is known, two the defaults, one a summary. */
function next(): Asked {
  const kind = draw();
  const seed = Math.floor(draw() * KNOWN);
  if (kind < 0.7) return { path: "/paraphrase", body: bodyOf(seed), seed };
  const fresh = Math.floor(draw() * 2 ** 32);
  if (kind < 0.9) return { path: "/paraphrase", body: { text: QUESTIONS[fresh % QUESTIONS.length]!, seed: fresh, truncation: "end" } };
  return { path: "/summarize", body: { text: ARTICLE, seed: fresh } };
}

const findings = new Findings();
const server = await startServer(["--max-client-rows", "512"], "dist/tests/fixtures/collecting-real-main.js");
const engines = enginesOf(server).length;
const known = await knownTexts(server);
const capacity = await closedLoop(async () => {
  const { path, body } = next();
  await ask(server, path, body, AbortSignal.timeout(TIMEOUT_MS));
}, Number(flags.calibration), 16);
const rate = LOAD * capacity.rate;
console.log(`${figure(capacity.rate)} requests/s when 16 are always in hand; ${figure(rate)} from now on for ${flags.minutes} min`);

const began = performance.now();
const passed = () => performance.now() - began;
/** Beside what was answered: clients that left; told to retry (429, 503); over the deadline (504); without any of these. */
const counts = { sent: 0, answered: 0, left: 0, retry: 0, late: 0, lost: 0, other: 0 };
const times: number[] = [];
const samples: { requests: number; heap: number; resident: number; engines: number; minutes: number }[] = [];

async function call(dueAt: number): Promise<void> {
  const { path, body, seed } = next();
  const leaving = draw() < LEAVING;
  const signal = AbortSignal.timeout(leaving ? 1 + Math.floor(draw() * 1_000) : TIMEOUT_MS);
  counts.sent += 1;
  const reply = await ask(server, path, body, signal).catch(() => undefined);
  if (reply?.status === 200) {
    times.push(passed() - dueAt);
    if (seed !== undefined && reply.text !== known[seed]) counts.other += 1;
    else counts.answered += 1;
  } else if (reply?.status === 503 || reply?.status === 429) counts.retry += 1;
  else if (reply?.status === 504) counts.late += 1;
  else if (leaving) counts.left += 1;
  else counts.lost += 1;
}

/** Kills and freezes engines until shortly before the end, so that the last has time to come back. */
async function faults(): Promise<string[]> {
  const done: string[] = [];
  while (passed() + KILL_EVERY_MS * 1.5 < MS) {
    await sleep(KILL_EVERY_MS * (0.5 + draw()));
    const victims = enginesOf(server);
    const signal = draw() < 0.7 ? "SIGKILL" : "SIGSTOP";
    process.kill(victims[Math.floor(draw() * victims.length)]!, signal);
    done.push(signal);
  }
  return done;
}

const stop = new AbortController();
async function watchMemory(): Promise<void> {
  while (!stop.signal.aborted) {
    await sleep(SAMPLE_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    const [heap, resident, held] = [await server.metric("nodejs_heap_size_used_bytes"), await server.metric("process_resident_memory_bytes"), await server.metric("tdi_engine_memory_bytes")];
    samples.push({ requests: counts.sent, heap, resident, engines: held, minutes: passed() / 60_000 });
  }
}

const [watching, health] = [watchMemory(), watchHealth(server.url, 200, stop.signal)];
const [killed] = await Promise.all([faults(), arrivals(rate, MS / 1000, draw, call)]);
const allLeft = await settled(server);
stop.abort();
await watching;
const live = (await health).sort((a, b) => a - b);
times.sort((a, b) => a - b);
const atTheEnd = await knownTexts(server);

findings.check("requests sent", `${counts.sent.toLocaleString("en")}: ${counts.answered.toLocaleString("en")} answered, ${counts.left} left, ${counts.retry} told to retry`, counts.answered > 0);
findings.check("requests past their deadline", String(counts.late), counts.late === 0);
findings.check("requests lost: none of these, and no answer", String(counts.lost), counts.lost === 0);
findings.check("answers with another text than their seed's", String(counts.other), counts.other === 0);
findings.check("engines killed, frozen", `${killed.filter((signal) => signal === "SIGKILL").length}, ${killed.filter((signal) => signal === "SIGSTOP").length}`, true);
findings.check("engines ready at the end", `${await server.metric("tdi_engines_ready")} of ${engines}`, (await server.metric("tdi_engines_ready")) === engines);
findings.check("growth of the heap", `${figure(growth(samples))} bytes a request`, growth(samples) < MOST_GROWTH);
findings.check("rows in flight afterwards", String(await server.metric("tdi_in_flight_rows")), allLeft);
findings.check("texts of the first minute again", `${atTheEnd.filter((text, seed) => text === known[seed]).length} of ${KNOWN}`, atTheEnd.every((text, seed) => text === known[seed]));
findings.check("milliseconds of an answer, p50 and p99", `${figure(quantile(times, 0.5))}, ${figure(quantile(times, 0.99))}`, true);
findings.check("/health/live answered", `${live.filter(Number.isFinite).length.toLocaleString("en")} of ${live.length.toLocaleString("en")}, p99 ${figure(quantile(live, 0.99))} ms`, live.every(Number.isFinite));
await server.stop();

const settings = Object.entries(process.env).filter(([name]) => name.startsWith("TDI_")).map(([name, value]) => `${name}=${value} `).join("");
const markdown = `# An hour of load

Made by \`${settings}npm run soak:hour${givenArguments()}\` on ${availableParallelism()} of ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}: ${figure(rate)} requests/s for ${flags.minutes} minutes, ${LOAD * 100} % of what the server
answers when 16 requests are always in hand; arrivals of a Poisson process, seven in ten in four steps, two with the defaults, one a summary; one client in ten leaves
within a second. Times count from the arrival that was due.

${findings.table()}`;
const series = (name: string, of: (sample: (typeof samples)[number]) => number) => ({ name, points: samples.map((sample) => [sample.minutes, of(sample) / 1e6] as const) });
const path = writeReport("endurance", markdown, { findings: findings.all, samples }, [
  { title: "Memory of the server", x: "minutes", y: "MB", series: [series("heap", (s) => s.heap), series("resident", (s) => s.resident), series("engines, resident", (s) => s.engines)] },
]);
console.log(`wrote ${path}`);
process.exit(findings.good ? 0 : 1);
