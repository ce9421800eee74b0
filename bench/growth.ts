/**
 * `npm run bench:growth [-- --requests 40]`: what a request costs as one thing of it grows: steps, texts, canvas, tokens of its source. One request at a time, one engine on
 * all cores. Writes bench/results/growth.*.
 */
import { parseArgs } from "node:util";
import { closedLoop } from "./closed-loop.js";
import { givenArguments, machine, usageOf } from "./processes.js";
import { ARTICLE, QUESTIONS } from "./questions.js";
import { figure, table, writeReport } from "./report.js";
import { post, startServer } from "./server.js";

const { values: flags } = parseArgs({ options: { requests: { type: "string", default: "40" } } });
const requests = Number(flags.requests);

interface Usage {
  source_tokens: number;
  unselected_tokens: number;
  canvas: number;
}

interface Cell {
  axis: string;
  value: number;
  p50: number;
  p95: number;
  residentBytes: number;
  usage: Usage;
}

const SENTENCES = ARTICLE.match(/[^.]+\./g)!.map((sentence) => sentence.trim());
/** So many sentences of an article that is like no other. */
const article = (sentences: number) => Array.from({ length: sentences }, (_, i) => `On day ${i + 1}: ${SENTENCES[i % SENTENCES.length]}`).join(" ");
const [question, longQuestion] = [QUESTIONS[4], QUESTIONS[8]];
/** A question of so many words. */
const cut = (words: number) => `${longQuestion.split(" ").slice(0, words).join(" ")}?`;
const texts = (count: number) => Array.from({ length: count }, (_, i) => QUESTIONS[4 + (i % 4)]!);

/** From one request, one thing at a time. */
const paraphrase = { text: question, steps: 4, best_of: 1, canvas: 16 };
const AXES: { axis: string; path: string; cells: (readonly [value: number, body: object])[] }[] = [
  { axis: "steps", path: "/paraphrase", cells: [2, 4, 8, 16, 32, 50].map((steps) => [steps, { ...paraphrase, steps }]) },
  { axis: "texts a request", path: "/paraphrase", cells: [1, 2, 4, 8, 16, 32].map((count) => [count, { ...paraphrase, text: texts(count) }]) },
  { axis: "canvas", path: "/paraphrase", cells: [16, 24, 32].map((canvas) => [canvas, { ...paraphrase, canvas }]) },
  { axis: "words of a question", path: "/paraphrase", cells: [4, 8, 16, 24, 32].map((words) => [words, { ...paraphrase, text: cut(words), canvas: 32 }]) },
  { axis: "sentences of an article", path: "/summarize", cells: [3, 6, 12, 24, 36].map((count) => [count, { text: article(count), best_of: 1 }]) },
];

const server = await startServer(["--engines", "1", "--max-client-rows", "256"]);
const cells: Cell[] = [];
for (const { axis, path, cells: wanted } of AXES) {
  for (const [value, body] of wanted) {
    let usage: Usage | undefined;
    const call = async (seed: number) => {
      const { results } = (await post(server.url, path, { ...body, seed })) as { results: { usage: Usage }[] };
      usage = results[0]!.usage;
    };
    await closedLoop(call, 3, 1);
    const { p50, p95 } = await closedLoop(call, requests, 1);
    cells.push({ axis, value, p50, p95, residentBytes: usageOf(server.child.pid!)?.residentBytes ?? NaN, usage: usage! });
    console.log(JSON.stringify(cells.at(-1)));
  }
}
await server.stop();

const markdown = `# What a request costs as one thing of it grows

Made by \`npm run bench:growth${givenArguments()}\` on ${machine()}; client and server share them, one engine, one request at a time, ${requests} requests a figure. A question of
${question.split(" ").length} words, 4 steps, one sample, canvas 16; summaries as the bundle's defaults are, one sample. Resident: memory of all processes after it, pages that they share counted once.

${table(
  ["", "", "tokens read", "tokens not selected", "canvas", "p50 ms", "p95 ms", "times the first", "resident MB"],
  cells.map(({ axis, value, p50, p95, residentBytes, usage }) => [
    axis,
    String(value),
    String(usage.source_tokens),
    String(usage.unselected_tokens),
    String(usage.canvas),
    figure(p50),
    figure(p95),
    figure(p50 / cells.find((other) => other.axis === axis)!.p50),
    figure(residentBytes / 1e6),
  ]),
)}`;
const panels = AXES.map(({ axis }) => ({
  title: axis,
  x: axis,
  y: "median ms",
  series: [{ name: "one request", points: cells.filter((cell) => cell.axis === axis).map(({ value, p50 }) => [value, p50] as const) }],
}));
console.log(`wrote ${writeReport("growth", markdown, { machine: machine(), requests, cells }, panels)}`);
