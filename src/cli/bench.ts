import { parseArgs } from "node:util";
import { createClient, type Task } from "../client/index.js";
import { TASKS } from "../engine/contract.js";
import { mapOrdered } from "../ordered.js";
import { CliError, EXIT, integer, usage } from "./exit.js";
import type { Context } from "./main.js";

const HELP = `Usage: tdi bench --url <address> [options]

Sends requests to a running server, so many at a time (a closed loop: the next goes out when one comes back), and tells their
latency as the client sees it and the candidates done per second. The first requests are not counted.

  --url <address>       the server; TDI_URL says the same
  --task <name>         ${TASKS.join(" or ")}; default paraphrase
  --text <text>         default: a question of seven words
  --requests <n>        that are counted; default 50
  --warm-up <n>         that are not; default 3
  --concurrency <n>     at a time; default 1
  -n, --candidates <n>  of each request; default 1
  --steps <n>           default: the bundle's
  --json                a JSON object instead of lines
  -h, --help            this text`;

const OPTIONS = {
  url: { type: "string" },
  task: { type: "string", default: "paraphrase" },
  text: { type: "string", default: "How can I be a good geologist?" },
  requests: { type: "string", default: "50" },
  "warm-up": { type: "string", default: "3" },
  concurrency: { type: "string", default: "1" },
  candidates: { type: "string", short: "n", default: "1" },
  steps: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

/** The value that a share of the sorted numbers does not exceed. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

/** `tdi bench`. */
export async function benchCommand({ args, env, signal }: Context): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  if (values.help) {
    console.log(HELP);
    return EXIT.ok;
  }
  const url = values.url ?? env["TDI_URL"];
  if (!url) throw usage("--url is missing.");
  if (!(TASKS as readonly string[]).includes(values.task)) throw usage(`--task must be ${TASKS.join(" or ")}.`);
  const task = values.task as Task;
  const [requests, warmUp, concurrency, candidates] = (["requests", "warm-up", "concurrency", "candidates"] as const).map((name) => integer(values[name], name, name === "warm-up" ? 0 : 1)!) as [number, number, number, number];
  const steps = integer(values.steps, "steps", 1);
  const client = createClient({ baseUrl: url, retries: 0, headers: env["TDI_API_KEY"] ? { authorization: `Bearer ${env["TDI_API_KEY"]}` } : {} });
  const info = await client.info({ signal }).catch(() => {
    throw new CliError(`no answer from ${url}.`, EXIT.unavailable);
  });
  const bundle = info.bundles.find((each) => each.task === task);
  if (!bundle) throw new CliError(`no loaded bundle serves ${task}.`, EXIT.unavailable);

  const once = async (seed: number) => {
    const began = performance.now();
    await client[task]({ text: values.text, num_candidates: candidates, seed, ...(steps && { steps }) }, { signal });
    return performance.now() - began;
  };
  for (let seed = 0; seed < warmUp; seed += 1) await once(seed);
  const began = performance.now();
  const times: number[] = [];
  for await (const ms of mapOrdered(Array.from({ length: requests }, (_, seed) => seed), concurrency, once)) times.push(ms);
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  const round = (value: number) => Math.round(value * 100) / 100;
  const report = {
    model: bundle.model,
    provider: bundle.provider,
    steps: steps ?? bundle.defaults.steps,
    requests,
    concurrency,
    candidates,
    latency_ms: { p50: round(quantile(times, 0.5)), p95: round(quantile(times, 0.95)), max: round(times.at(-1)!) },
    requests_per_second: round(requests / seconds),
    candidates_per_second: round((requests * candidates) / seconds),
  };
  console.log(values.json ? JSON.stringify(report) : Object.entries(report).map(([name, value]) => `${name.padEnd(20)} ${typeof value === "object" ? JSON.stringify(value) : value}`).join("\n"));
  return EXIT.ok;
}
