import { createWriteStream, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { text as readAll } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { GRIDS, MOST_NOVELTY, MOST_REVISIONS, RANKINGS, SOLVERS, type GenerateReply, type Task } from "../engine/contract.js";
import { mapOrdered } from "../ordered.js";
import { EXIT, integer, number, usage } from "./exit.js";
import { localGenerator, remoteGenerator, RequestFault, type Generator } from "./generator.js";
import { answeredLines, linesOf, type Line } from "./json-lines.js";
import type { Context } from "./main.js";
import { Progress } from "./progress.js";

const OPTIONS = {
  url: { type: "string" },
  bundle: { type: "string" },
  file: { type: "string", multiple: true },
  lines: { type: "string" },
  output: { type: "string", short: "o" },
  resume: { type: "boolean" },
  json: { type: "boolean" },
  candidates: { type: "string", short: "n" },
  "best-of": { type: "string" },
  seed: { type: "string" },
  steps: { type: "string" },
  guidance: { type: "string" },
  novelty: { type: "string" },
  revisions: { type: "string" },
  solver: { type: "string" },
  grid: { type: "string" },
  "clamp-steps": { type: "string" },
  ranking: { type: "string" },
  canvas: { type: "string" },
  "max-words": { type: "string" },
  truncate: { type: "boolean" },
  concurrency: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function help(task: Task): string {
  return `Usage: tdi ${task} [options] [text ...]

Texts are the arguments, the files of --file, or standard input as one text. The best candidate of each is printed on a line.

Where
  --url <address>       a running server; TDI_URL says the same. Without it a bundle is loaded into this process.
                        TDI_API_KEY holds the key that the server asks for
  --bundle <folder>     that bundle; default: the one of TDI_MODELS_DIR that serves the task

What
  --file <path>         the whole file is one text; may be given more than once
  --lines <path>        JSON lines in, out comes a JSON line for each; "-" is standard input. A line is a request body of
                        the HTTP API ({"text": …}); its "id" is handed through
  -o, --output <path>   JSON lines go there instead of to standard output
  --resume              with --lines and --output: go on where an earlier run ended

How (a line of --lines can say otherwise for itself)
  -n, --candidates <n>  candidates of each text, ranked; all are printed
  --best-of <n>         samples of each text, of which the best are the candidates; the bundle's default when absent
  --seed <n>            the same seed gives the same text
  --steps <n>           denoising steps
  --guidance <w>        weight of classifier-free guidance; 0 is off
  --novelty <n>         how far to lead away from the text's own wording, 0 to ${MOST_NOVELTY}
  --revisions <n>       times that a candidate is mended or reworded at most, 0 to ${MOST_REVISIONS}
  --solver <name>       ${SOLVERS.join(", ")}
  --grid <name>         how steps are spaced: ${GRIDS.join(", ")}
  --clamp-steps <n>     steps before the last that go on from words
  --ranking <name>      what makes the best candidate: ${RANKINGS.join(", ")}
  --canvas <n>          positions to denoise, one of the bundle's canvases
  --max-words <n>       bound on the words of a result
  --truncate            cut a text over the model's limit at its end instead of refusing it
  --concurrency <n>     lines under way at a time; default 4 on a server, 1 here

  --json                a JSON object for each text instead of plain lines
  -h, --help            this text

Exit codes: 0 done, 1 a text failed, 2 wrong command line, 3 no server or bundle, 130 interrupted.`;
}

type Values = ReturnType<typeof parse>["values"];

function parse(args: string[]) {
  return parseArgs({ args, options: OPTIONS, allowPositionals: true, strict: true });
}

/** Fields of the request body that the command line sets. */
function bodyOf(values: Values): Record<string, unknown> {
  for (const [name, known] of [["solver", SOLVERS], ["grid", GRIDS], ["ranking", RANKINGS]] as const) {
    const value = values[name];
    if (value !== undefined && !(known as readonly string[]).includes(value)) throw usage(`--${name} must be one of ${known.join(", ")}.`);
  }
  const fields = {
    num_candidates: integer(values.candidates, "candidates", 1),
    best_of: integer(values["best-of"], "best-of", 1),
    seed: integer(values.seed, "seed", 0),
    steps: integer(values.steps, "steps", 1),
    guidance: number(values.guidance, "guidance", 0),
    novelty: number(values.novelty, "novelty", 0, MOST_NOVELTY),
    revisions: integer(values.revisions, "revisions", 0),
    solver: values.solver,
    grid: values.grid,
    clamp_steps: integer(values["clamp-steps"], "clamp-steps", 0),
    ranking: values.ranking,
    canvas: integer(values.canvas, "canvas", 1),
    max_words: integer(values["max-words"], "max-words", 1),
    truncation: values.truncate ? "end" : undefined,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** `tdi paraphrase` and `tdi summarize`. */
export function generateCommand(task: Task): (context: Context) => Promise<number> {
  return async ({ args, env, signal }) => {
    const { values, positionals } = parse(args);
    if (values.help) {
      console.log(help(task));
      return EXIT.ok;
    }
    const url = values.url ?? env["TDI_URL"];
    if (values.url !== undefined && values.bundle !== undefined) throw usage("--url and --bundle exclude each other.");
    if (values.lines !== undefined && (positionals.length > 0 || values.file)) throw usage("--lines takes no other texts.");
    if (values.lines === undefined && (values.output !== undefined || values.resume)) throw usage("--output and --resume belong to --lines.");
    if (values.resume && (values.output === undefined || values.lines === "-")) throw usage("--resume needs --output and a file of lines.");
    const body = bodyOf(values);
    const concurrency = integer(values.concurrency, "concurrency", 1);
    const texts = values.lines === undefined ? await textsOf(positionals, values.file) : [];
    const generator = url && values.bundle === undefined ? remoteGenerator(task, url, env["TDI_API_KEY"]) : await localGenerator(task, values.bundle, env);
    if (values.lines === undefined) return eachText(generator, texts, body, values.json ?? false, signal);
    return eachLine(generator, { ...values, lines: values.lines, concurrency: concurrency ?? generator.concurrency }, body, signal);
  };
}

async function textsOf(positionals: string[], files: string[] | undefined): Promise<string[]> {
  if (positionals.length > 0 && files) throw usage("Give texts or --file, not both.");
  if (files) {
    return Promise.all(
      files.map((path) =>
        readFile(path, "utf8").catch(() => {
          throw usage(`The file ${path} cannot be read.`);
        }),
      ),
    );
  }
  if (positionals.length > 0) return positionals;
  if (process.stdin.isTTY) throw usage("There is no text.");
  return [await readAll(process.stdin)];
}

async function eachText(generator: Generator, texts: string[], body: Record<string, unknown>, json: boolean, signal: AbortSignal): Promise<number> {
  let failed = false;
  for (const text of texts) {
    try {
      const reply = await generator.generate({ ...body, text: text.trim() }, signal);
      const { candidates } = reply.results[0]!;
      console.log(json ? JSON.stringify(flat(reply)) : candidates.map((candidate) => candidate.text).join("\n"));
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      failed = true;
      if (json) console.log(JSON.stringify({ error: error.problem }));
      else console.error(`tdi: ${[error.problem.detail, ...(error.problem.errors ?? []).map(({ field, message }) => `${field} ${message}`)].join("; ")} (${error.problem.code})`);
    }
  }
  return failed ? EXIT.failed : EXIT.ok;
}

/** A reply to one text: its result, the model and what was used on one level. */
function flat({ model, results, used }: Pick<GenerateReply, "model" | "results" | "used">): Record<string, unknown> {
  return results.length === 1 ? { ...results[0], model, used } : { results, model, used };
}

interface LineOptions {
  lines: string;
  output?: string | undefined;
  resume?: boolean | undefined;
  concurrency: number;
}

async function eachLine(generator: Generator, { lines, output, resume, concurrency }: LineOptions, body: Record<string, unknown>, signal: AbortSignal): Promise<number> {
  const answered = resume ? await answeredLines(output!) : new Set<number>();
  const out: Writable = output === undefined ? process.stdout : createWriteStream(output, { flags: resume ? "a" : "w" });
  const progress = new Progress(lines === "-" ? undefined : statSync(lines, { throwIfNoEntry: false })?.size);
  let done = answered.size;
  let failed = 0;
  async function* open(): AsyncGenerator<Line> {
    for await (const line of linesOf(lines)) {
      signal.throwIfAborted();
      if (!answered.has(line.number)) yield line;
    }
  }
  for await (const { line, answer } of mapOrdered(open(), concurrency, async (line) => ({ line, answer: await answerOf(generator, line, body, signal) }))) {
    done += 1;
    if ("error" in answer) failed += 1;
    // One write for a line, so that an interrupted run leaves at most its last one cut.
    if (!out.write(`${JSON.stringify({ line: line.number, ...answer })}\n`)) await once(out, "drain");
    progress.show(line.bytes, done, failed);
  }
  progress.show(Infinity, done, failed, true);
  if (output !== undefined) await new Promise((resolve) => out.end(resolve));
  return failed > 0 ? EXIT.failed : EXIT.ok;
}

/** What a line gives: its result or its own error, and its id. */
async function answerOf(generator: Generator, { text }: Line, defaults: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { error: { code: "malformed_json", detail: "The line is not JSON." } };
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return { error: { code: "invalid_request", detail: "The line is not a JSON object." } };
  const { id, ...body } = parsed as Record<string, unknown>;
  const named = id === undefined ? {} : { id };
  try {
    return { ...named, ...flat(await generator.generate({ ...defaults, ...body }, signal)) };
  } catch (error) {
    if (error instanceof RequestFault) return { ...named, error: error.problem };
    throw error;
  }
}
