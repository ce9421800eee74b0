import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { projectPath, VERSION } from "../../src/project.js";
import { tdi } from "../fixtures/cli.js";
import { startFake, type FakeService } from "../fixtures/fake-service.js";

const folder = mkdtempSync(join(tmpdir(), "tdi-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string) => join(folder, name);
const linesIn = (path: string) => readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

describe("tdi", () => {
  test("help, version and wrong command lines", async () => {
    assert.deepEqual([(await tdi(["--version"])).out, (await tdi(["--help"])).code], [`${VERSION}\n`, 0]);
    for (const command of ["paraphrase", "summarize", "bench", "bundle", "serve"]) {
      const { code, out } = await tdi([command, "--help"]);
      assert.deepEqual([command, code], [command, 0]);
      assert.match(out, /^Usage: tdi|^Text Diffusion Inference/);
    }
    const wrong: [string[], RegExp][] = [
      [[], /^$/],
      [["dance"], /no command "dance"/],
      [["paraphrase", "--nope"], /--nope/],
      [["paraphrase", "--steps", "x", "text"], /--steps must be an integer/],
      [["paraphrase", "--solver", "best", "text"], /--solver must be one of/],
      [["paraphrase", "--grid", "round", "text"], /--grid must be one of/],
      [["paraphrase", "--ranking", "best", "text"], /--ranking must be one of/],
      [["paraphrase", "--canvas", "wide", "text"], /--canvas must be an integer/],
      [["paraphrase", "--lines", "a", "text"], /--lines takes no other texts/],
      [["paraphrase", "--resume", "text"], /belong to --lines/],
      [["bundle", "burn", "."], /inspect, verify or pull/],
      [["bench"], /--url is missing/],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await tdi(args);
      assert.deepEqual([args.join(" "), code], [args.join(" "), 2]);
      assert.match(err, message);
    }
  });

  test("no server", async () => {
    const { code, err } = await tdi(["paraphrase", "--url", "http://127.0.0.1:9", "--lines", "-"], { stdin: '{"text":"One."}\n' });
    assert.deepEqual([code, err], [3, "tdi paraphrase: no answer from http://127.0.0.1:9.\n"]);
  });
});

describe("tdi paraphrase and summarize on a server", () => {
  let service: FakeService;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    service = await startFake();
    env = { TDI_URL: service.url };
  });
  after(() => service.close());

  test("arguments, files and standard input", async () => {
    const two = await tdi(["paraphrase", "One.", "Two.", "--seed", "1"], { env });
    assert.deepEqual([two.code, two.out.trim().split("\n").length], [0, 2]);
    writeFileSync(inFolder("one.txt"), "One.\n");
    const file = await tdi(["paraphrase", "--file", inFolder("one.txt"), "--seed", "1"], { env });
    const piped = await tdi(["paraphrase", "--seed", "1"], { env, stdin: "One.\n" });
    assert.deepEqual([file.out, piped.out], [`${two.out.split("\n")[0]}\n`, `${two.out.split("\n")[0]}\n`]);
    const candidates = await tdi(["summarize", "One.", "-n", "3"], { env });
    assert.match(candidates.out, /^(summarize \w+\n){3}$/);
  });

  test("--json has the whole result; a text that fails is told and the others are done", async () => {
    const { code, lines } = await tdi(["paraphrase", "--json", "--seed", "7", "--steps", "3", "--grid", "logsnr", "--clamp-steps", "1", "--ranking", "confidence", "--canvas", "32", "too-long text", "One."], { env });
    assert.equal(code, 1);
    assert.equal((lines[0]!["error"] as { code: string }).code, "text_too_long");
    const used = lines[1]!["used"] as Record<string, unknown>;
    assert.deepEqual(["seed", "steps", "grid", "clamp_steps", "ranking"].map((key) => used[key]), [7, 3, "logsnr", 1, "confidence"]);
    const plain = await tdi(["paraphrase", "too-long text"], { env });
    assert.deepEqual([plain.code, plain.out], [1, ""]);
    assert.match(plain.err, /has 99 tokens.*\(text_too_long\)/);
  });

  test("JSON lines: in order, each its own result or error, its id handed through", async () => {
    const input = ['{"text":"One.","id":"a","seed":1}', "nope", '{"text":["One.","Two."]}', "", '{"text":"too-long text","id":4}', '{"text":"One.","steps":0}'].join("\n");
    const { code, lines } = await tdi(["paraphrase", "--lines", "-", "--concurrency", "3", "--steps", "2"], { env, stdin: input });
    assert.equal(code, 1);
    assert.deepEqual(lines.map(({ line, id }) => [line, id]), [[1, "a"], [2, undefined], [3, undefined], [5, 4], [6, undefined]]);
    assert.deepEqual(lines.map(({ error }) => (error as { code: string } | undefined)?.code), [undefined, "malformed_json", undefined, "text_too_long", "invalid_request"]);
    assert.equal((lines[0]!["used"] as { steps: number }).steps, 2);
    assert.equal((lines[2]!["results"] as unknown[]).length, 2);
  });

  test("an interrupted run goes on where it ended", async () => {
    const [input, output] = [inFolder("in.jsonl"), inFolder("out.jsonl")];
    writeFileSync(input, Array.from({ length: 6 }, (_, at) => JSON.stringify({ text: `Text ${at}.`, seed: at })).join("\n"));
    assert.equal((await tdi(["paraphrase", "--lines", input, "-o", output], { env })).code, 0);
    const whole = readFileSync(output, "utf8");
    const lines = whole.split("\n");
    // As an interrupt leaves it: three lines, and a part of the fourth.
    writeFileSync(output, `${lines.slice(0, 3).join("\n")}\n${lines[3]!.slice(0, 20)}`);
    assert.equal((await tdi(["paraphrase", "--lines", input, "-o", output, "--resume"], { env })).code, 0);
    assert.equal(readFileSync(output, "utf8"), whole);
    assert.equal((await tdi(["paraphrase", "--lines", input, "-o", output, "--resume"], { env })).code, 0);
    assert.equal(linesIn(output).length, 6);
  });

  test("bench tells latency and throughput", async () => {
    const { code, lines } = await tdi(["bench", "--requests", "6", "--concurrency", "2", "--steps", "2", "--json"], { env });
    assert.equal(code, 0);
    const { requests, steps, latency_ms: latency, candidates_per_second: rows } = lines[0] as { requests: number; steps: number; latency_ms: { p50: number; p95: number }; candidates_per_second: number };
    assert.deepEqual([requests, steps], [6, 2]);
    assert.ok(latency.p50 > 0 && latency.p95 >= latency.p50 && rows > 0);
  });
});

describe("tdi bundle", () => {
  const ROLES = ["encoder", "condition", "denoiser", "decoder", "tokenizer"];
  const sha256 = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");
  const source = inFolder("source");
  let server: Server;
  let address: string;

  before(async () => {
    mkdirSync(join(source, "mine"), { recursive: true });
    mkdirSync(join(source, "shared"));
    const card = JSON.parse(readFileSync(projectPath("models/qqp-paraphrase/bundle.json"), "utf8")) as Record<string, unknown>;
    const files = Object.fromEntries(
      ROLES.map((role) => {
        const path = role === "encoder" ? "../shared/encoder.onnx" : `${role}.onnx`;
        writeFileSync(join(source, "mine", path), `the ${role}`);
        return [role, { path, bytes: `the ${role}`.length, sha256: sha256(`the ${role}`) }];
      }),
    );
    writeFileSync(join(source, "mine/bundle.json"), JSON.stringify({ ...card, name: "mine", files }));
    // A hub and a plain file server in one: the path tells.
    server = createServer((request, response) => {
      const path = request.url!.replace(/^\/owner\/model\/resolve\/v1\//, "/");
      const file = join(source, path);
      if (existsSync(file)) response.end(readFileSync(file));
      else response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  test("inspect and verify", async () => {
    const shown = await tdi(["bundle", "inspect", join(source, "mine")]);
    assert.deepEqual([shown.code, /task +paraphrase/.test(shown.out)], [0, true]);
    assert.equal((await tdi(["bundle", "inspect", join(source, "mine"), "--json"])).lines[0]!["name"], "mine");
    assert.match((await tdi(["bundle", "verify", source])).out, /^mine \(paraphrase\): 5 files are whole and unaltered\n$/);
    writeFileSync(join(source, "mine/decoder.onnx"), "the deco_er");
    const altered = await tdi(["bundle", "verify", join(source, "mine")]);
    writeFileSync(join(source, "mine/decoder.onnx"), "the decoder");
    assert.deepEqual([altered.code, /decoder\.onnx.*altered/.test(altered.err)], [1, true]);
    assert.equal((await tdi(["bundle", "verify", inFolder("nothing")])).code, 1);
  });

  test("pull from a folder, an address and a hub; again changes nothing", async () => {
    const digest = sha256(readFileSync(join(source, "mine/bundle.json")));
    const sources: [string, string[]][] = [
      [join(source, "mine"), []],
      [`${address}/mine`, ["--sha256", digest]],
      ["owner/model/mine", ["--revision", "v1"]],
    ];
    for (const [at, [from, options]] of sources.entries()) {
      const into = inFolder(`into-${at}`);
      for (const round of ["first", "again"]) {
        const { code, err, out } = await tdi(["bundle", "pull", from, "--into", into, ...options], { env: { HF_ENDPOINT: address } });
        assert.deepEqual([from, code, out], [from, 0, `${join(into, "mine")}\n`]);
        assert.equal(err.split("\n").length - 1, round === "first" ? ROLES.length : 0);
      }
      assert.equal((await tdi(["bundle", "verify", into])).code, 0);
    }
  });

  test("what is not what was asked for is not kept", async () => {
    const into = inFolder("into-bad");
    assert.equal((await tdi(["bundle", "pull", `${address}/mine`, "--into", into])).code, 2);
    const other = await tdi(["bundle", "pull", `${address}/mine`, "--into", into, "--sha256", "0".repeat(64)]);
    assert.deepEqual([other.code, /not the one asked for/.test(other.err)], [1, true]);
    assert.equal((await tdi(["bundle", "pull", "owner/absent", "--into", into], { env: { HF_ENDPOINT: address } })).code, 3);
    writeFileSync(join(source, "mine/denoiser.onnx"), "the denoise_");
    const altered = await tdi(["bundle", "pull", join(source, "mine"), "--into", into]);
    writeFileSync(join(source, "mine/denoiser.onnx"), "the denoiser");
    assert.deepEqual([altered.code, /denoiser\.onnx is altered/.test(altered.err)], [1, true]);
    assert.ok(!existsSync(join(into, "mine/denoiser.onnx")) && !existsSync(join(into, "mine/bundle.json")));
  });
});
