/**
 * `npm run bench [-- --quick]`: the embedded paraphraser at several step counts, each in a server of its own, beside a server that
 * works on one request at a time. One table, ratios first, and JSON beside it, in bench/results.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { closedLoop, type ClosedLoop } from "./closed-loop.js";
import { type Contender, contenders } from "./contenders.js";
import { givenArguments, machine } from "./processes.js";
import { figure, table, writeReport } from "./report.js";

const { values: flags } = parseArgs({
  options: {
    /** Few requests: to see that it runs, not to quote. */
    quick: { type: "boolean", default: false },
    requests: { type: "string" },
    device: { type: "string", default: "cpu" },
    /** Folder that `python -m tdi_training export-autoregressive` wrote: the autoregressive baseline beside them. */
    baseline: { type: "string" },
    /** A Python with training/requirements.txt: the same weights in a PyTorch loop beside them. */
    python: { type: "string" },
    /** A JSON file {contender: ROUGE-L} of scores measured elsewhere, with a `from` that says how: the plot of quality against latency. */
    quality: { type: "string" },
    name: { type: "string", default: "bench" },
  },
});
const quality = flags.quality === undefined ? undefined : (JSON.parse(readFileSync(flags.quality, "utf8")) as { from: string } & Record<string, number>);
const requests = Number(flags.requests ?? (flags.quick ? 8 : 200));
const CONCURRENCY = [1, 4, 16];

interface Measured {
  name: string;
  readySeconds: number;
  /** Of the whole start, all processes and threads. */
  readyCpuSeconds: number;
  peakBytes: number;
  /** After the last loop. */
  residentBytes: number;
  /** By concurrency. */
  loops: Record<number, ClosedLoop>;
}

async function measure(contender: Contender): Promise<Measured> {
  const running = await contender.start();
  try {
    const readyCpuSeconds = running.usage()?.cpuSeconds ?? NaN;
    await closedLoop(running.say, Math.ceil(requests / 10), 1);
    const loops: Measured["loops"] = {};
    for (const concurrency of CONCURRENCY) loops[concurrency] = await closedLoop(running.say, requests, concurrency);
    const { peakBytes = NaN, residentBytes = NaN } = running.usage() ?? {};
    return { name: contender.name, readySeconds: running.readySeconds, readyCpuSeconds, peakBytes, residentBytes, loops };
  } finally {
    await running.stop();
  }
}

const results: Measured[] = [];
for (const contender of contenders(["--device", flags.device], flags.baseline, flags.python)) {
  results.push(await measure(contender));
  console.log(JSON.stringify(results.at(-1)));
}

const [base] = results;
const most = CONCURRENCY.at(-1)!;
const times = (ratio: number) => `${figure(ratio)} ×`;
const markdown = `# The embedded paraphraser

Made by \`npm run bench${givenArguments()}\` on ${machine()}; client and server share them. ${requests} requests a figure, closed
loop, questions of three lengths, the bundle's other settings as they are${flags.quick ? ". **A quick run: it shows that the benchmark runs, its figures are not to be quoted**" : ""}. Faster: how many
times as fast as *${base!.name}*, by the median at one request at a time and by requests a second at ${most} at a time.

${table(
  ["", ...(quality ? ["ROUGE-L"] : []), "faster at 1", `faster at ${most}`, "p50 ms", "p95 ms", ...CONCURRENCY.map((each) => `requests/s at ${each}`), "resident MB", "peak MB", "start to ready s", "CPU s of it"],
  results.map((m) => [
    m.name,
    ...(quality ? [quality[m.name] === undefined ? "" : quality[m.name]!.toFixed(1)] : []),
    times(base!.loops[1]!.p50 / m.loops[1]!.p50),
    times(m.loops[most]!.rate / base!.loops[most]!.rate),
    figure(m.loops[1]!.p50),
    figure(m.loops[1]!.p95),
    ...CONCURRENCY.map((each) => figure(m.loops[each]!.rate)),
    figure(m.residentBytes / 1e6),
    figure(m.peakBytes / 1e6),
    figure(m.readySeconds),
    figure(m.readyCpuSeconds),
  ]),
)}

Resident: memory of all processes after the last request, pages that they share counted once; peak: the sum of each one's highest, such pages counted for each.${quality ? ` ROUGE-L: ${quality.from}` : ""}`;
const panel = {
  title: "Throughput",
  x: "requests at a time",
  y: "requests a second",
  logX: true,
  series: results.map((m) => ({ name: m.name, points: CONCURRENCY.map((each) => [each, m.loops[each]!.rate] as const) })),
};
const scored = results.filter(({ name }) => quality?.[name] !== undefined);
const point = (m: Measured) => [m.loops[1]!.p50, quality![m.name]!] as const;
const curve = scored.filter(({ name }) => /^\d+ steps$/.test(name));
const qualityPanel = {
  title: "Quality and latency",
  x: "median ms, one request at a time",
  y: "ROUGE-L",
  bottom: Math.floor(Math.min(...scored.map((m) => point(m)[1])) - 2),
  series: [{ name: "diffusion, by steps", points: curve.map(point) }, ...scored.filter((m) => !curve.includes(m)).map((m) => ({ name: m.name, points: [point(m)] }))],
};
console.log(`wrote ${writeReport(flags.name, markdown, { machine: machine(), requests, quick: flags.quick, results }, quality ? [panel, qualityPanel] : [panel])}`);
