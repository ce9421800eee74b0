import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { projectPath } from "../src/project.js";
import { AutoregressiveBaseline } from "./autoregressive.js";

/**
 * npm run bench:baseline -- FOLDER --data valid.jsonl[.gz]: the autoregressive baseline over a file of {src, trg}, one text at a time;
 * prints seconds per text and tokens, writes JSON lines that `python -m tdi_training score` reads.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { data: { type: "string" }, out: { type: "string" }, rows: { type: "string" }, threads: { type: "string", default: "2" } },
});
const [folder] = positionals;
if (folder === undefined || values.data === undefined) {
  console.error("usage: npm run bench:baseline -- FOLDER --data FILE.jsonl[.gz] [--rows N] [--threads N] [--out FILE.jsonl]");
  process.exit(2);
}
const raw = await readFile(values.data);
const lines = (values.data.endsWith(".gz") ? gunzipSync(raw) : raw).toString("utf8").trim().split("\n");
const rows = lines.slice(0, values.rows === undefined ? undefined : Number(values.rows)).map((line) => JSON.parse(line) as { src: string; trg: string });
const baseline = await AutoregressiveBaseline.load(folder, Number(values.threads), projectPath("models/shared/casing.json"));
await baseline.write(rows[0]!.src);
const times: number[] = [];
let tokens = 0;
const outputs: string[] = [];
for (const row of rows) {
  const begun = performance.now();
  const written = await baseline.write(row.src);
  times.push(performance.now() - begun);
  tokens += written.tokens;
  outputs.push(JSON.stringify({ ...row, output: written.text }));
}
if (values.out !== undefined) await writeFile(values.out, outputs.join("\n") + "\n");
const sorted = times.toSorted((a, b) => a - b);
const at = (share: number) => Number(sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(2));
console.log(JSON.stringify({
  texts: rows.length, threads: Number(values.threads), parameters: baseline.card.parameters, tokens_per_text: Number((tokens / rows.length).toFixed(2)),
  ms_per_text: Number((times.reduce((a, b) => a + b, 0) / rows.length).toFixed(2)), p50_ms: at(0.5), p95_ms: at(0.95),
}));
