import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync, cpSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { describe, test, type TestContext } from "node:test";
import { decodeRows } from "../../src/model/decoder.js";
import { readBundle, readBundles } from "../../src/model/bundle.js";
import { projectPath } from "../../src/project.js";
import { startFake, until } from "../fixtures/fake-service.js";
import { spawnServer, type ServerProcess } from "../fixtures/server-process.js";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "tdi-test-"));
  t.after(() => {
    chmodSync(path, 0o700);
    rmSync(path, { recursive: true });
  });
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("numbers that are none", () => {
  test("the decoder is not asked about latents that are not finite", async () => {
    const [canvas, hidden] = [4, 3];
    const condition = { width: 2, ids: [], states: new Float32Array(6), keys: new Float32Array(0), values: new Float32Array(0), bias: new Float32Array(2) };
    const outputs = { ids: { data: BigInt64Array.from([7n, 8n, 102n, 0n]) }, probability: { data: Float32Array.from([0.9, 0.8, 0.7, 0.6]) } };
    const decoder = { inputNames: ["x", "states", "bias"], outputNames: ["ids", "probability"], run: async () => outputs } as unknown as Parameters<typeof decodeRows>[0];
    const decode = (latents: Float32Array) => decodeRows(decoder, [latents], [condition], canvas, hidden, { sep: 102, pad: 0, special: [0, 102], marks: new Set<number>() });
    assert.deepEqual((await decode(new Float32Array(12).fill(3e38)))[0]!.ids, [7, 8]);
    for (const wrong of [NaN, Infinity, -Infinity]) {
      for (const at of [0, 11]) await assert.rejects(decode(new Float32Array(12).fill(wrong, at, at + 1)), /not finite/);
    }
  });

  test("an engine that returns them: 500 for that request alone, a line in the log, no restart, no text made up", async (t) => {
    const service = await startFake({ maxBatchRows: 8 });
    t.after(() => service.close());
    const healthy = await (await service.post("/paraphrase", { text: "slow mate", seed: 1 })).json() as { results: unknown };
    const mates = [1, 1].map((seed) => service.post("/paraphrase", { text: "slow mate", seed }));
    const bad = await service.post("/paraphrase", { text: "not-a-number", num_candidates: 3 });
    assert.deepEqual([bad.status, ((await bad.json()) as { code: string }).code], [500, "internal"]);
    for (const mate of mates) assert.deepEqual(((await (await mate).json()) as { results: unknown }).results, healthy.results);
    assert.equal(service.engine.rows, 0);
    assert.match(await service.metrics.registry.metrics(), /tdi_rejected_total\{reason="internal"\} 1/);
    assert.doesNotMatch(await service.metrics.registry.metrics(), /tdi_engine_restarts_total\{[^}]*\} [1-9]/);
  });
});

describe("a bundle that does not fit", () => {
  /** The card of the embedded paraphraser, changed, in a folder of its own; its files are not looked at before the card is. */
  function bundleOf(t: TestContext, change: (card: Record<string, unknown>) => void): string {
    const models = folder(t);
    mkdirSync(join(models, "changed"));
    const card = JSON.parse(readFileSync(projectPath("models/qqp-paraphrase/bundle.json"), "utf8")) as Record<string, unknown>;
    change(card);
    writeFileSync(join(models, "changed", "bundle.json"), JSON.stringify(card));
    return join(models, "changed");
  }

  test("another version, another task, another type, a path that leads away: named, and nothing else is read", async (t) => {
    const cases: [RegExp, (card: Record<string, unknown>) => void][] = [
      [/does not fit format 1: format/, (card) => (card["format"] = 2)],
      [/does not fit format 1: task/, (card) => (card["task"] = "translate")],
      [/does not fit format 1: .*limits/, (card) => delete card["limits"]],
      [/does not fit format 1: .*steps/, (card) => ((card["defaults"] as Record<string, unknown>)["steps"] = "12")],
      [/lies outside the models folder/, (card) => ((card["files"] as Record<string, Record<string, unknown>>)["decoder"]!["path"] = "../../../etc/passwd")],
      [/is missing/, () => undefined],
    ];
    for (const [message, change] of cases) await assert.rejects(readBundle(bundleOf(t, change)), message);
  });

  test("a card that is no JSON, or empty", async (t) => {
    for (const text of ["", "{", "null", "[]", "\0"]) {
      const path = bundleOf(t, () => undefined);
      writeFileSync(join(path, "bundle.json"), text);
      await assert.rejects(readBundle(path), /is not JSON|does not fit format/);
    }
  });

  test("two bundles of one task: both are named", async (t) => {
    const models = folder(t);
    for (const name of ["a", "b"]) cpSync(projectPath("models/qqp-paraphrase"), join(models, name), { recursive: true });
    cpSync(projectPath("models/shared"), join(models, "shared"), { recursive: true });
    await assert.rejects(readBundles(models), /two bundles serve paraphrase: \S+, \S+/);
  });
});

describe("the server process", () => {
  function start(t: TestContext, args: string[] = [], env: NodeJS.ProcessEnv = {}): ServerProcess {
    const server = spawnServer("dist/tests/fixtures/fake-main.js", ["--port", "0", "--models-dir", folder(t), "--engines", "1", "--grace-ms", "0", ...args], env);
    t.after(() => server.child.kill("SIGKILL"));
    return server;
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} at any moment of its start ends it`, async (t) => {
      for (const delayMs of [0, 150, 400, 900]) {
        const server = start(t);
        await new Promise((resume) => setTimeout(resume, delayMs));
        server.child.kill(signal);
        // Before its first line has run the signal itself ends it.
        assert.ok([0, signal].includes((await server.exit()) as never), `after ${delayMs} ms`);
      }
    });
  }

  test("a key file that is missing or wrong: exit code 2, the setting and the line are named, the key is not", async (t) => {
    const keys = join(folder(t), "keys");
    const missing = start(t, ["--api-keys-file", keys]);
    assert.equal(await missing.exit(), 2);
    assert.match(missing.errors(), /--api-keys-file \(or TDI_API_KEYS_FILE\): .*no such file/);
    writeFileSync(keys, "# comment\nme:plugh-plugh-plugh-plugh\n");
    const wrong = start(t, [], { TDI_API_KEYS_FILE: keys });
    assert.equal(await wrong.exit(), 2);
    assert.match(wrong.errors(), /line 2: /);
    assert.doesNotMatch(wrong.errors() + JSON.stringify(wrong.lines), /plugh/);
  });

  test("a folder that nobody may write to, and a home that is not there: it needs neither", async (t) => {
    const models = folder(t);
    chmodSync(models, 0o500);
    const server = start(t, ["--models-dir", models], { HOME: "/nonexistent", TMPDIR: "/nonexistent" });
    const url = await server.url();
    await until(async () => (await fetch(`${url}/health/ready`)).status === 200);
    const post = await fetch(`${url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"text":"a"}' });
    assert.equal(post.status, 200);
  });

  test("a log on a full disk: requests are served on", async (t) => {
    // The device that is always full is there on Linux alone.
    if (process.platform !== "linux") return;
    const full = openSync("/dev/full", "w");
    t.after(() => closeSync(full));
    // The log that tells the port cannot be read here, so it is one that was free a moment ago.
    const port = await freePort();
    const args = [projectPath("dist/tests/fixtures/fake-main.js"), "--port", String(port), "--models-dir", folder(t), "--engines", "1", "--grace-ms", "0"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", full, "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    let errors = "";
    child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${errors}`);
      return (await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined))?.status === 200;
    });
    for (let i = 0; i < 3; i += 1) assert.equal((await fetch(`http://127.0.0.1:${port}/info`)).status, 200);
    assert.match(errors, /^the log cannot be written: ENOSPC/);
    assert.equal(errors.match(/the log cannot/g)!.length, 1);
  });

  test("file descriptors run out: it lives, and serves again when there are some", async (t) => {
    // The shell's limit is for the whole process; it loads with some hundred files open at a time.
    if (process.platform === "win32") return;
    const port = await freePort();
    const args = [process.execPath, projectPath("dist/tests/fixtures/fake-main.js"), "--port", String(port), "--models-dir", folder(t), "--engines", "1", "--grace-ms", "0"];
    const child = spawn("sh", ["-c", 'ulimit -n 256; exec "$@"', "sh", ...args], { stdio: "ignore" });
    t.after(() => child.kill("SIGKILL"));
    const ready = () => fetch(`http://127.0.0.1:${port}/health/ready`, { headers: { connection: "close" }, signal: AbortSignal.timeout(2_000) }).then(({ status }) => status === 200, () => false);
    await until(ready);
    const held = Array.from({ length: 450 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    t.after(() => held.forEach((socket) => socket.destroy()));
    await new Promise((resume) => setTimeout(resume, 1_000));
    assert.deepEqual([await ready(), child.exitCode], [false, null]);
    held.forEach((socket) => socket.destroy());
    await until(ready);
    const post = await fetch(`http://127.0.0.1:${port}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"text":"a"}' });
    assert.equal(post.status, 200);
  });

  test("whoever reads the log is gone: requests are served on", async (t) => {
    const server = start(t);
    const url = await server.url();
    await until(async () => (await fetch(`${url}/health/ready`)).status === 200);
    server.child.stdout!.destroy();
    for (let i = 0; i < 5; i += 1) assert.equal((await fetch(`${url}/info`)).status, 200);
  });
});
