import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { projectPath } from "../src/project.js";
import { QUESTIONS } from "./questions.js";
import { usageOf, type Usage } from "./processes.js";
import { post, startServer } from "./server.js";

/** Something that says questions in other words, in processes of its own, so that its memory and its start can be told. */
export interface Contender {
  name: string;
  /** Resolves when it is ready. */
  start(): Promise<Running>;
}

export interface Running {
  /** Seconds from its start to ready. */
  readySeconds: number;
  /** Says the question of this number; the same number is the same work. */
  say(number: number): Promise<void>;
  usage(): Usage | undefined;
  stop(): Promise<void>;
}

/** This project's server. @param settings of every request. @param flags beyond those of a measurement: one client may have the whole queue */
function ours(name: string, settings: object, flags: readonly string[]): Contender {
  return {
    name,
    async start() {
      const began = performance.now();
      const server = await startServer(["--max-client-rows", "256", "--log-level", "info", ...flags]);
      return {
        readySeconds: (performance.now() - began) / 1000,
        async say(number) {
          const body = { text: QUESTIONS[number % QUESTIONS.length], ...settings, seed: number, truncation: "end" };
          await post(server.url, "/paraphrase", body);
        },
        usage: () => usageOf(server.child.pid!),
        stop: () => server.stop(),
      };
    },
  };
}

/** A process that answers numbered questions in any order. @param ready resolves when it takes the first. @param send asks it. @param end asks it to go */
async function conversation(name: string, child: ChildProcess, ready: Promise<unknown>, send: (id: number, text: string) => void, end: () => void) {
  const began = performance.now();
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`${name}: ended with ${code}`)));
  ended.catch(() => undefined);
  await Promise.race([ready, ended]);
  const waiting = new Map<number, () => void>();
  let asked = 0;
  const running: Running = {
    readySeconds: (performance.now() - began) / 1000,
    async say(number) {
      const id = (asked += 1);
      const answered = new Promise<void>((resolve) => waiting.set(id, resolve));
      send(id, QUESTIONS[number % QUESTIONS.length]!);
      await Promise.race([answered, ended]);
      waiting.delete(id);
    },
    usage: () => usageOf(child.pid!),
    async stop() {
      end();
      await once(child, "exit");
    },
  };
  return { running, answered: (id: number) => waiting.get(id)?.() };
}

/** The autoregressive baseline of the same size: greedy, a key-value cache, one text at a time on all cores. @param folder of `export-autoregressive` */
function autoregressive(folder: string): Contender {
  const name = "autoregressive, greedy";
  return {
    name,
    async start() {
      const child = fork(projectPath("dist/bench/baseline-process.js"), [folder, String(availableParallelism())]);
      const { running, answered } = await conversation(name, child, once(child, "message"), (id, text) => child.send({ id, text }), () => child.kill());
      child.on("message", ({ id }: { id: number }) => answered(id));
      return running;
    },
  };
}

/** The shipped weights in PyTorch on all cores, one text at a time. @param python a Python that has training/requirements.txt */
function pytorch(python: string, steps: number): Contender {
  const name = `PyTorch loop, ${steps} steps`;
  return {
    name,
    async start() {
      const child = spawn(python, ["-m", "tdi_training", "answer", projectPath("models/qqp-paraphrase"), "--steps", String(steps)], { cwd: projectPath("training"), stdio: ["pipe", "pipe", "ignore"] });
      const lines = createInterface(child.stdout);
      const send = (id: number, text: string) => child.stdin.write(`${JSON.stringify({ id, text })}\n`);
      const { running, answered } = await conversation(name, child, once(lines, "line"), send, () => child.stdin.end());
      lines.on("line", (line) => answered((JSON.parse(line) as { id: number }).id));
      return running;
    },
  };
}

/** Nothing to choose from, as the others have. */
const oneSample = (steps: number) => ({ steps, best_of: 1, novelty: 0 });

/** Steps of the contender that the others are compared with. */
const COMPARED_STEPS = 16;

/** Everything that `npm run bench` compares; the first is what the others' ratios are to. @param flags of the server, for all alike. @param baseline folder of the autoregressive one. @param python for the PyTorch loop */
export function contenders(flags: readonly string[], baseline?: string, python?: string): Contender[] {
  return [
    ours(`one request at a time, ${COMPARED_STEPS} steps`, oneSample(COMPARED_STEPS), [...flags, "--batching", "off", "--engines", "1"]),
    ...[4, 8, COMPARED_STEPS, 50].map((steps) => ours(`${steps} steps`, oneSample(steps), flags)),
    // A single request is served fastest where all cores work on it, as they do for the others below.
    ...[4, 8].map((steps) => ours(`${steps} steps, one engine`, oneSample(steps), [...flags, "--engines", "1"])),
    // Of three steps those on the linear grid score higher, and come within a point of the autoregressive baseline.
    ours("3 steps on the linear grid, one engine", { ...oneSample(3), grid: "linear" }, [...flags, "--engines", "1"]),
    ours("default settings", {}, flags),
    ours("default settings, one engine", {}, [...flags, "--engines", "1"]),
    ...(python === undefined ? [] : [4, COMPARED_STEPS].map((steps) => pytorch(python, steps))),
    ...(baseline === undefined ? [] : [autoregressive(baseline)]),
  ];
}
