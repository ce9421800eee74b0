/** The commands of the documents, run as a newcomer would: as written but for the port, against `npm start` with the embedded bundles. */
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { projectPath } from "../../src/project.js";

const PAGES = ["README.md", ...readdirSync(projectPath("docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
/** What cannot be run here, by what the block has in it, and why. */
const NOT_RUN: Record<string, string> = {
  "docker ": "needs a container engine",
  "helm install": "needs a cluster; the chart is rendered in deploy.ci.ts",
  "PYTHON=": "needs Python and PyTorch",
  "python -m": "needs Python and PyTorch",
  "/mnt/share": "stands for a place of the reader's; tdi bundle pull is tried in tests/contract/cli.test.ts",
  "/srv/models": "stands for a place of the reader's",
  "npm test": "is what runs this",
};
const ARTICLE = "Otters have been seen in the centre of the city for the first time in forty years. A shopkeeper filmed a mother and two cubs below the bridge.";
const QUESTIONS = ["How can I learn the guitar?", "Why is the sky blue?"];

const blocks = PAGES.flatMap((page) => Array.from(readFileSync(projectPath(page), "utf8").matchAll(/```sh\n([^]*?)```/g), ([, code]) => ({ page, code: code!.trim() })));
const reasonNotTo = (code: string) => Object.entries(NOT_RUN).find(([sign]) => code.includes(sign))?.[1];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

describe("the commands of the documents", () => {
  let port: number;
  let server: ChildProcess;
  let scratch: string;

  async function sh(code: string): Promise<string> {
    const path = `${join(scratch, "bin")}:${process.env["PATH"]}`;
    const written = code.replaceAll(":8080", `:${port}`);
    const cwd = written.includes("npm ") ? projectPath(".") : scratch;
    const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", written], { cwd, env: { ...process.env, PATH: path }, maxBuffer: 1e8 });
    return stdout;
  }

  before(async () => {
    port = await freePort();
    server = spawn("npm", ["start"], { cwd: projectPath("."), env: { ...process.env, PORT: String(port) }, stdio: "ignore", detached: true });
    scratch = mkdtempSync(join(tmpdir(), "tdi-test-"));
    mkdirSync(join(scratch, "bin"));
    // As npm makes it where the package is installed.
    writeFileSync(join(scratch, "bin", "tdi"), `#!/bin/sh\nexec node '${projectPath("dist/src/cli.js")}' "$@"\n`, { mode: 0o755 });
    symlinkSync(projectPath("models"), join(scratch, "models"));
    writeFileSync(join(scratch, "questions.jsonl"), QUESTIONS.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  });
  after(() => {
    if (server.pid !== undefined) process.kill(-server.pid, "SIGTERM");
    rmSync(scratch, { recursive: true });
  });

  test("the server of the first command gets ready, as the second waits for", async () => {
    const waits = blocks.find(({ page, code }) => page === "docs/quick-start.md" && code.includes("/health/ready"));
    await sh(waits!.code);
  });

  const runnable = blocks.filter(({ code }) => reasonNotTo(code) === undefined && code !== "npm start");
  for (const { page, code } of runnable) {
    test(`${page}: ${code.split("\n")[0]!.slice(0, 90)}`, async () => {
      const output = await sh(code);
      // curl ends well on an answer that is an error.
      assert.doesNotMatch(output, /"status":\s*[45]\d\d|"error":/);
      if (!code.includes("--output")) assert.ok(output.trim().length > 0, "nothing was said");
    });
  }

  test("as many answers as questions came of the command line", () => {
    assert.equal(readFileSync(join(scratch, "answers.jsonl"), "utf8").trim().split("\n").length, QUESTIONS.length);
  });

  test("the client's example of docs/library.md", async () => {
    const [, code] = /```ts\n([^]*?)```/.exec(readFileSync(projectPath("docs/library.md"), "utf8"))!;
    const example = `const article = ${JSON.stringify(ARTICLE)};\n${code!.replaceAll(":8080", `:${port}`)}`;
    const { code: script } = await transform(example, { loader: "ts" });
    // Below the project, where the package is found by its own name.
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd: projectPath(".") });
    const lines = stdout.trim().split("\n");
    assert.ok(lines.some((line) => line.startsWith("done: ")));
    assert.equal(lines.filter((line) => /^[01] \S/.test(line)).length, QUESTIONS.length);
    assert.match(stdout, /invalid_request/);
  });

  test("enough was run to say so", () => {
    assert.ok(runnable.length >= 11, `${runnable.length} blocks`);
  });
});
