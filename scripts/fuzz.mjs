/**
 * `npm run fuzz [-- --cases 2000 --examples 500 --seed 1 --url http://127.0.0.1:8080]`: bytes that are hardly HTTP on the raw socket,
 * then schemathesis against openapi.yaml (scripts/schemathesis.toml). Without --url the HTTP side is the server's own and the models are the tests' fakes, so
 * that thousands of cases take minutes.
 * Needs, beyond Node.js, schemathesis 4 on the path (`pip install schemathesis`), or its program's path in SCHEMATHESIS.
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { root, setUp } from "./setup.mjs";

const { values } = parseArgs({ options: { cases: { type: "string", default: "2000" }, examples: { type: "string", default: "500" }, seed: { type: "string", default: "1" }, url: { type: "string" } } });
await setUp();
const { fuzzProtocol } = await import("../dist/tests/fixtures/protocol-fuzz.js");
const { startFake } = await import("../dist/tests/fixtures/fake-service.js");

const fake = values.url ? undefined : await startFake();
const url = values.url ?? fake.url;
try {
  const report = await fuzzProtocol(Number(new URL(url).port || 80), { cases: Number(values.cases), seed: Number(values.seed) });
  console.log(`raw socket: ${report.cases} cases, no 5xx, replies by status (0: none) ${JSON.stringify(report.statuses)}`);
  process.exitCode = await schemathesis();
} finally {
  await fake?.close();
}

/** @returns its exit code */
function schemathesis() {
  const args = ["--config-file", "scripts/schemathesis.toml", "run", "openapi.yaml", "--url", url, "--max-examples", values.examples, "--seed", values.seed, "--continue-on-failure", "--suppress-health-check", "all"];
  return new Promise((resolve) => {
    const child = spawn(process.env.SCHEMATHESIS || "schemathesis", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, SCHEMATHESIS_HOOKS: "scripts/schemathesis_hooks.py" } });
    child.once("error", ({ code }) => (console.error(`schemathesis could not be started (${code}): pip install schemathesis`), resolve(1))).once("close", resolve);
  });
}
