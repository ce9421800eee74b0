/**
 * The measurements of bench/gpu.sh that need Node.js: time of a denoising step against batch size, against the device's roofline and
 * beside PyTorch; paraphrases and summaries a second of the whole server. Writes bench/results/<name>.*.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Conditioner } from "../src/conditioning/condition.js";
import { type BatchRow, DenoiserBatch } from "../src/model/batch.js";
import { type Bundle, readBundle } from "../src/model/bundle.js";
import type { Device, DeviceName } from "../src/model/device.js";
import { times } from "../src/model/grid.js";
import { noiseSchedule } from "../src/model/schedule.js";
import { openSession } from "../src/model/session.js";
import { solverSteps } from "../src/model/solver.js";
import { projectPath } from "../src/project.js";
import { closedLoop } from "./closed-loop.js";
import { machine } from "./processes.js";
import { ARTICLE, QUESTIONS } from "./questions.js";
import { figure, table, writeReport } from "./report.js";
import { startServer } from "./server.js";
import { quantile } from "./simulation.js";

const { values: flags } = parseArgs({
  options: {
    device: { type: "string", default: "cuda" },
    "device-id": { type: "string", default: "0" },
    batches: { type: "string", default: "1,16,64,256,1024" },
    calls: { type: "string", default: "20" },
    requests: { type: "string", default: "1000" },
    threads: { type: "string", default: "1" },
    /** What bench/pytorch_step.py has printed. */
    pytorch: { type: "string" },
    name: { type: "string", default: "gpu" },
  },
});
const device: Device = { name: flags.device as DeviceName, id: Number(flags["device-id"]) };
const batches = flags.batches.split(",").map(Number);
const calls = Number(flags.calls);
const requests = Number(flags.requests);
const CANVAS = 32;
const WIDTH = 32;

interface PyTorch {
  torch: string;
  device: string;
  peak_tflops: number;
  peak_gbs: number;
  steps_ms: Partial<Record<"eager" | "compiled", Record<string, number>>>;
}
const pytorch = flags.pytorch === undefined ? undefined : (JSON.parse(readFileSync(flags.pytorch, "utf8")) as PyTorch);

/**
 * Multiply-adds count as two. Per position and block: self-attention's four maps, cross-attention's two (keys and values are cached), a
 * feed-forward of four times the width, the self-condition's map, scores and contexts. Bytes: the least that a step moves, fp32
 * weights once, each row's state, prediction, noise, keys and values once; what stays on the chip between two operators is not counted.
 */
function work({ hidden, layers }: { hidden: number; layers: number }, rows: number): { flops: number; bytes: number } {
  const matrices = layers * 15 * hidden ** 2 + 2 * hidden ** 2;
  const attention = layers * 2 * (CANVAS + WIDTH) * hidden + 2 * WIDTH * hidden;
  return {
    flops: 2 * rows * CANVAS * (matrices + attention),
    bytes: 4 * (matrices + rows * (5 * CANVAS * hidden + 2 * (layers + 1) * WIDTH * hidden)),
  };
}

interface StepTimes {
  rows: number;
  ms: number;
  tflops: number;
  /** Share of the time that the roofline allows; undefined where the device's peaks are not known. */
  share: number | undefined;
}

async function stepTimes({ card, paths }: Bundle): Promise<StepTimes[]> {
  const { model, tokens, defaults, schedule } = card;
  const open = (path: string) => openSession(path, Number(flags.threads), device);
  const conditioner = new Conditioner(await open(paths.encoder!), await open(paths.condition!), { hidden: model.hidden, pad: tokens.pad });
  const [condition] = await conditioner.encode([[tokens.cls, ...new Array<number>(WIDTH - 2).fill(tokens.unk), tokens.sep]], WIDTH);
  const step = await open(paths.denoiser!);
  const noise = noiseSchedule(schedule.name, schedule.d);
  const plan = solverSteps("ddim", times(defaults.grid, calls + 2, noise), noise, model.precondition);
  const results: StepTimes[] = [];
  for (const rows of batches) {
    const batch = new DenoiserBatch({ step }, model, CANVAS, WIDTH, condition!);
    batch.sync(Array.from({ length: rows }, (_, candidate): BatchRow => ({ condition: condition!, seed: 0, candidate, plan, guidance: 0, done: 0 })));
    const taken: number[] = [];
    for (let call = 0; call < calls + 2; call += 1) {
      const began = performance.now();
      await batch.advance(1);
      taken.push(performance.now() - began);
    }
    // The first two compile kernels and get memory.
    const ms = quantile(taken.slice(2).sort((a, b) => a - b), 0.5);
    const { flops, bytes } = work(model, rows);
    const least = pytorch && 1000 * Math.max(flops / (1e12 * pytorch.peak_tflops), bytes / (1e9 * pytorch.peak_gbs));
    results.push({ rows, ms, tflops: flops / ms / 1e9, share: least === undefined ? undefined : least / ms });
    console.log(JSON.stringify(results.at(-1)));
  }
  return results;
}

interface Served {
  rows: number;
  stepsPerCall: number;
  paraphrases: number;
  summaries: number;
}

async function served(rows: number, stepsPerCall: number): Promise<Served> {
  const concurrency = Math.min(2 * rows, 2048);
  // Each text may take as many rows as the bundle samples, and the largest request that the server takes must fit in.
  const queue = String(Math.max(512, 2 * concurrency * bundle.card.defaults.best_of));
  const server = await startServer(["--device", device.name, "--device-id", String(device.id), "--max-batch-rows", String(rows), "--steps-per-call", String(stepsPerCall), "--max-queued-rows", queue, "--max-client-rows", queue]);
  const post = (path: string, text: string) => async (seed: number) => {
    const response = await fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text, seed, truncation: "end" }) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  };
  const rate = async (path: string, text: string) => (await closedLoop(post(path, text), Math.max(requests, concurrency), concurrency)).rate;
  const result = { rows, stepsPerCall, paraphrases: await rate("/paraphrase", QUESTIONS[4]), summaries: await rate("/summarize", ARTICLE) };
  await server.stop();
  console.log(JSON.stringify(result));
  return result;
}

const bundle = await readBundle(projectPath("models/qqp-paraphrase"));
const steps = await stepTimes(bundle);
const counts = bundle.paths.denoiser_loop === undefined ? [1] : [1, 4];
const throughput: Served[] = [];
for (const rows of batches) for (const count of counts) throughput.push(await served(rows, count));

const beside = (name: "eager" | "compiled", rows: number) => pytorch?.steps_ms[name]?.[rows] ?? NaN;
const markdown = `# The embedded models on ${device.name}

Made by \`bench/gpu.sh ${device.name}\` on ${machine()}${pytorch ? `; PyTorch ${pytorch.torch} on ${pytorch.device}, whose own largest fp32 product reached ${figure(pytorch.peak_tflops)} TFLOP/s and copy ${figure(pytorch.peak_gbs)} GB/s` : ""}.

## One denoising step of the paraphraser

${CANVAS} positions, a source of ${WIDTH}; median of ${calls} calls, the state's way to the device and back included. PyTorch computes the same weights, its
inputs on the device. Roofline: the time that the FLOPs and bytes of a step (counted in bench/gpu.ts) need at the two measured rates.

${table(
  ["rows", "ms", "faster than PyTorch eager", "than compiled", "PyTorch eager ms", "compiled ms", "TFLOP/s", "of the roofline"],
  steps.map((s) => {
    const [eager, compiled] = [beside("eager", s.rows), beside("compiled", s.rows)];
    return [String(s.rows), figure(s.ms), `${figure(eager / s.ms)} ×`, `${figure(compiled / s.ms)} ×`, figure(eager), figure(compiled), figure(s.tflops), s.share === undefined ? "–" : `${Math.round(100 * s.share)} %`];
  }),
)}

## The whole server

${requests} requests a figure or as many as fill it, twice as many at a time as rows; the bundles' default steps.

${table(
  ["rows at most", "steps a call", "paraphrases/s", "summaries/s"],
  throughput.map((s) => [String(s.rows), String(s.stepsPerCall), figure(s.paraphrases), figure(s.summaries)]),
)}`;
const panels = [
  { title: "One step", x: "rows", y: "ms", logX: true, series: [{ name: "ONNX Runtime", points: steps.map((s) => [s.rows, s.ms] as const) }, ...(["eager", "compiled"] as const).filter((name) => pytorch?.steps_ms[name]).map((name) => ({ name: `PyTorch ${name}`, points: batches.map((rows) => [rows, beside(name, rows)] as const) }))] },
  { title: "The server", x: "rows at most", y: "texts a second", logX: true, series: (["paraphrases", "summaries"] as const).map((name) => ({ name, points: throughput.filter((s) => s.stepsPerCall === 1).map((s) => [s.rows, s[name]] as const) })) },
];
console.log(`wrote ${writeReport(flags.name, markdown, { machine: machine(), device, pytorch, steps, throughput }, panels)}`);
