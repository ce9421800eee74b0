import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { projectPath } from "../../src/project.js";
import { startFake } from "../fixtures/fake-service.js";

test("the commands of the quick start run as they are written", async (t) => {
  const service = await startFake();
  t.after(() => service.close());
  const page = readFileSync(projectPath("docs/quick-start.md"), "utf8");
  const commands = Array.from(page.matchAll(/```sh\n([^]*?)```/g), ([, command]) => command!).filter((command) => command.includes("curl"));
  assert.equal(commands.length, 7);
  const said: string[] = [];
  for (const command of commands) {
    const { stdout } = await promisify(execFile)("sh", ["-c", command.replaceAll("http://127.0.0.1:8080", service.url)]);
    said.push(stdout);
  }
  const [ready, paraphrase, several, stream, summary, batch, info] = said as [string, string, string, string, string, string, string];
  assert.match(ready, /ready/);
  assert.equal((JSON.parse(paraphrase) as { results: { candidates: unknown[] }[] }).results[0]!.candidates.length, 3);
  assert.equal((JSON.parse(several) as { results: unknown[] }).results.length, 2);
  assert.match(stream, /^event: step\n[^]*event: result\n/);
  assert.equal((JSON.parse(summary) as { results: unknown[] }).results.length, 1);
  assert.deepEqual(batch.trim().split("\n").map((line) => (JSON.parse(line) as { id: number; result?: object }).result !== undefined), [true, true]);
  assert.equal((JSON.parse(info) as { bundles: unknown[] }).bundles.length, 2);
});
