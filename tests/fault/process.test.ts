import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { BROKEN } from "../fixtures/fake-pipeline.js";
import { until } from "../fixtures/fake-service.js";
import { spawnServer, type ServerProcess } from "../fixtures/server-process.js";

describe("the server process", () => {
  let models: string;
  before(() => {
    models = mkdtempSync(join(tmpdir(), "tdi-test-"));
  });
  after(() => rmSync(models, { recursive: true }));

  function start(t: TestContext, args: string[] = [], env: NodeJS.ProcessEnv = {}): ServerProcess {
    const server = spawnServer("dist/tests/fixtures/fake-main.js", ["--port", "0", "--models-dir", models, "--engines", "1", "--grace-ms", "0", ...args], env);
    t.after(() => server.child.kill("SIGKILL"));
    return server;
  }

  async function ready(server: ServerProcess): Promise<string> {
    const url = await server.url();
    await until(async () => (await fetch(`${url}/health/ready`)).status === 200);
    return url;
  }

  const post = (url: string, body: object) =>
    fetch(`${url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const inFlight = (url: string) => until(async () => /^tdi_in_flight_rows 1$/m.test(await (await fetch(`${url}/metrics`)).text()));
  const alive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal}: no new connections, the running request is finished, exit code 0`, async (t) => {
      const server = start(t);
      const url = await ready(server);
      const running = post(url, { text: "slow", steps: 40 });
      await inFlight(url);
      server.child.kill(signal);
      // npm passes on the signal that the terminal has sent already.
      server.child.kill(signal);
      await until(async () => fetch(`${url}/health/live`).then(() => false, () => true));
      assert.equal((await running).status, 200);
      assert.equal(await server.exit(), 0);
    });
  }

  test("in the grace it says that it is not ready and takes requests, then it does not", async (t) => {
    const server = start(t, ["--grace-ms", "1500"]);
    const url = await ready(server);
    server.child.kill("SIGTERM");
    await until(async () => (await fetch(`${url}/health/ready`)).status === 503);
    assert.equal((await post(url, { text: "late" })).status, 200);
    await until(async () => fetch(`${url}/health/live`).then(() => false, () => true));
    assert.equal(await server.exit(), 0);
  });

  test("after the drain time the rest is answered with 503, exit code 0", async (t) => {
    const server = start(t, ["--drain-ms", "100"]);
    const url = await ready(server);
    const running = post(url, { text: "slow", steps: 100 });
    await inFlight(url);
    server.child.kill("SIGTERM");
    assert.equal((await running).status, 503);
    assert.equal(await server.exit(), 0);
  });

  test("a second signal ends it at once", async (t) => {
    const server = start(t);
    const url = await ready(server);
    void post(url, { text: "hang" }).catch(() => undefined);
    await inFlight(url);
    server.child.kill("SIGTERM");
    await new Promise((resume) => setTimeout(resume, 700));
    server.child.kill("SIGTERM");
    assert.equal(await server.exit(), 143);
  });

  test("the wall clock jumps a day ahead and back: nothing times out, and Retry-After stays within its minute", async (t) => {
    const clock = new URL("../fixtures/jumping-clock.js", import.meta.url).href;
    const server = start(t, ["--max-requests-per-minute", "4", "--deadline-ms", "30000", "--hang-ms", "5000"], { NODE_OPTIONS: `--import=${clock}` });
    const url = await ready(server);
    const jumps = () => server.lines.filter((line) => line["msg"] === "clock").map((line) => line["ahead"]);
    const jump = async () => {
      const count = jumps().length;
      server.child.kill("SIGUSR2");
      await until(() => jumps().length > count);
    };
    for (let round = 0; round < 2; round++) {
      const running = post(url, { text: "slow", steps: 40 });
      await inFlight(url);
      await jump();
      assert.equal((await running).status, 200);
    }
    assert.deepEqual(jumps(), [86_400_000, 0]);
    // The window of the last minute began before the clock was put back.
    const replies = await Promise.all(Array.from({ length: 6 }, () => post(url, { text: "a" })));
    const refused = replies.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0);
    for (const reply of refused) {
      const seconds = Number(reply.headers.get("retry-after"));
      assert.ok(seconds >= 1 && seconds <= 60, `Retry-After: ${seconds}`);
    }
    assert.equal((await fetch(`${url}/health/ready`)).status, 200);
    assert.ok(!server.lines.some((line) => line["msg"] === "engine down"));
  });

  test("SIGTERM while it loads: exit code 0", async (t) => {
    const server = start(t);
    await server.url();
    server.child.kill("SIGTERM");
    assert.equal(await server.exit(), 0);
  });

  test("a bundle that cannot be loaded: the reason is logged, exit code 1", async (t) => {
    const broken = mkdtempSync(join(tmpdir(), "tdi-test-"));
    t.after(() => rmSync(broken, { recursive: true }));
    writeFileSync(join(broken, BROKEN), "");
    const server = start(t, ["--models-dir", broken]);
    assert.equal(await server.exit(), 1);
    const fatal = server.lines.find((line) => line["level"] === "fatal");
    assert.equal(fatal?.["detail"], "bundle fake: denoiser.onnx has been altered");
  });

  test("a wrong flag is named, exit code 2", async (t) => {
    const server = start(t, [], { TDI_THREADS: "many" });
    assert.equal(await server.exit(), 2);
    assert.match(server.errors(), /--threads \(or TDI_THREADS\)/);
  });

  test("--help and --version: exit code 0", async (t) => {
    const help = start(t, ["--help"]);
    assert.equal(await help.exit(), 0);
    assert.ok(help.lines.some((line) => String(line["text"]).includes("--max-queued-rows")));
    const version = start(t, ["--version"]);
    assert.equal(await version.exit(), 0);
    assert.match(String(version.lines[0]?.["text"]), /^\d+\.\d+\.\d+$/);
  });

  test("a port in use: exit code 1", async (t) => {
    const other = createServer().listen(0, "127.0.0.1");
    t.after(() => other.close());
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const server = start(t, ["--port", String(port)]);
    assert.equal(await server.exit(), 1);
    assert.match(JSON.stringify(server.lines), /EADDRINUSE/);
  });

  test("killed, it leaves no engine process behind", async (t) => {
    const server = start(t);
    await ready(server);
    const engine = server.lines.find((line) => line["msg"] === "engine ready")?.["pid"] as number;
    assert.ok(alive(engine));
    server.child.kill("SIGKILL");
    await server.exit();
    await until(() => !alive(engine));
  });

  test("the log is JSON lines, one a request, without a word of the user's", async (t) => {
    const server = start(t, [], { TDI_LOG_LEVEL: "info" });
    const url = await ready(server);
    for (const text of ["xyzzy one", "boom xyzzy", "unreadable xyzzy"]) await post(url, { text });
    await fetch(`${url}/xyzzy?xyzzy`);
    server.child.kill("SIGTERM");
    assert.equal(await server.exit(), 0);
    assert.doesNotMatch(JSON.stringify(server.lines) + server.errors(), /xyzzy/);
    const requests = server.lines.filter((line) => line["msg"] === "request" && line["route"] === "/paraphrase");
    assert.deepEqual(requests.map((line) => line["status"]), [200, 500, 422]);
    const failure = server.lines.find((line) => line["msg"] === "a request failed");
    assert.equal(failure?.["request_id"], requests[1]?.["request_id"]);
    assert.match(JSON.stringify(failure?.["frames"]), /fake-pipeline/);
  });
});
