import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { projectPath } from "../src/project.js";

export interface BenchServer {
  url: string;
  child: ChildProcess;
  /** The value of a metric, all its labels added up. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

const READY_MS = 300_000;

/** The JSON reply to a request. @throws Error with status and reply when it was not answered */
export async function post(url: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Starts a server of this project on a free port and waits until it is ready. @param entry its compiled main file */
export async function startServer(flags: readonly string[], entry = "dist/src/main.js"): Promise<BenchServer> {
  const child = spawn(process.execPath, [projectPath(entry), "--port", "0", "--log-level", "info", "--grace-ms", "0", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const end = () => void child.kill("SIGKILL");
  process.once("exit", end);
  const port = new Promise<number>((resolve, reject) => {
    createInterface(child.stdout).on("line", (line) => {
      const entry = JSON.parse(line) as { msg?: string; port?: number; detail?: string; level: string };
      if (entry.level === "fatal") reject(new Error(`${entry.msg}: ${entry.detail}`));
      if (entry.msg === "listening") resolve(entry.port!);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const url = `http://127.0.0.1:${await port}`;
  const limit = performance.now() + READY_MS;
  while ((await fetch(`${url}/health/ready`)).status !== 200) {
    if (performance.now() > limit) throw new Error("the server was not ready in time");
    await sleep(100);
  }
  return {
    url,
    child,
    async metric(name) {
      const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
      return lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    },
    async stop() {
      child.kill("SIGTERM");
      await once(child, "exit");
      process.off("exit", end);
    },
  };
}
