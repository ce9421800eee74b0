import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { readCards } from "../../src/model/bundle.js";
import { graphKey, graphRoles, PreparedGraphs, unfinishedBy, WEIGHTS_FILE } from "../../src/model/prepared.js";
import { projectPath } from "../../src/project.js";
import { flipMiddleByte } from "../fixtures/damage.js";
import { until } from "../fixtures/fake-service.js";
import { type ServerProcess, spawnServer } from "../fixtures/server-process.js";

/** The reply's texts and scores: the same bits in the latents give the same, other bits hardly ever. */
interface Answer {
  results: { candidates: { text: string; score: number }[] }[];
}

const BODY = { text: ["How can I improve my spoken English?", "I do not eat meat."], seed: 7, num_candidates: 3 };

/** Starts a server with a cache folder and one engine, asks it once, looks, and ends it. */
async function ask(t: TestContext, cacheDir: string, products = "fp32"): Promise<{ answer: Answer["results"]; mapped: boolean; server: ServerProcess }> {
  const server = spawnServer("dist/src/main.js", ["--port", "0", "--engines", "1", "--grace-ms", "0", "--products", products, "--cache-dir", cacheDir]);
  t.after(() => server.child.kill("SIGKILL"));
  const url = await server.url();
  await until(async () => (await fetch(`${url}/health/ready`)).status === 200, 120_000);
  const response = await fetch(`${url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(BODY) });
  assert.equal(response.status, 200);
  const { results } = (await response.json()) as Answer;
  const mapped = mapsWeights(server.child.pid!);
  server.child.kill("SIGTERM");
  assert.equal(await server.exit(), 0);
  return { answer: results, mapped, server };
}

/** Whether the engine process of a server has prepared weights in its memory, by what Linux tells of it. */
function mapsWeights(pid: number): boolean {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return children.some((child) => readFileSync(`/proc/${child}/maps`, "utf8").includes(WEIGHTS_FILE));
}

function message(server: ServerProcess, text: RegExp): Record<string, unknown> | undefined {
  return server.lines.find((line) => text.test(String(line["msg"])));
}

describe("prepared graphs", () => {
  let cache: string;
  let plain: Answer["results"];
  let prepared: PreparedGraphs;

  before(() => {
    cache = mkdtempSync(join(tmpdir(), "tdi-test-"));
    prepared = new PreparedGraphs(cache);
  });
  after(() => rmSync(cache, { recursive: true }));

  const entries = () => readdirSync(prepared.folder);

  test("without a folder nothing is kept or mapped", async (t) => {
    const { answer, mapped, server } = await ask(t, "none");
    plain = answer;
    assert.equal(mapped, false);
    assert.equal(message(server, /prepar/), undefined);
  });

  test("products in int8 have none: packed weights are neither faster read nor shared", async (t) => {
    const unused = join(cache, "unused");
    const { mapped, server } = await ask(t, unused, "int8");
    assert.deepEqual([mapped, message(server, /prepar/), existsSync(unused)], [false, undefined, false]);
  });

  test("are written at the first start, mapped by the engine, and give the bundle's own answers", async (t) => {
    assert.equal(await prepared.hasAll(await readCards(projectPath("models"))), false);
    const { answer, mapped, server } = await ask(t, cache);
    assert.equal(message(server, /^graphs prepared$/)?.["graphs"], entries().length);
    assert.equal(mapped, true);
    assert.deepEqual(answer, plain);
    assert.equal(statSync(prepared.folder).mode & 0o077, 0, "only its owner can write there or look in");
  });

  test("are found at the next start", async (t) => {
    assert.equal(await prepared.hasAll(await readCards(projectPath("models"))), true);
    const { answer, mapped, server } = await ask(t, cache);
    assert.equal(message(server, /prepar/), undefined);
    assert.equal(mapped, true);
    assert.deepEqual(answer, plain);
  });

  test("that are damaged are dropped, and written again at the next start", async (t) => {
    for (const entry of entries()) flipMiddleByte(join(prepared.folder, entry, WEIGHTS_FILE));
    const { answer, mapped } = await ask(t, cache);
    assert.deepEqual(answer, plain);
    assert.equal(mapped, false);
    assert.deepEqual(entries(), []);
    const again = await ask(t, cache);
    assert.deepEqual(again.answer, plain);
    assert.equal(again.mapped, true);
  });

  test("where others may write are not used", async (t) => {
    chmodSync(prepared.folder, 0o777);
    t.after(() => chmodSync(prepared.folder, 0o700));
    const { answer, mapped } = await ask(t, cache);
    assert.deepEqual(answer, plain);
    assert.equal(mapped, false);
    assert.ok(entries().length > 0, "they are left alone");
  });

  test("that cannot be written cost nothing but memory", async (t) => {
    const { answer, mapped, server } = await ask(t, projectPath("package.json"));
    assert.deepEqual(answer, plain);
    assert.equal(mapped, false);
    assert.match(String(message(server, /^graphs not prepared/)?.["reason"]), /ENOTDIR|EEXIST/);
  });

  test("of another processor, runtime or bundle are told apart", async () => {
    const [card] = await readCards(projectPath("models"));
    const role = graphRoles(card!)[0]!;
    const other = { ...card!, files: { ...card!.files, [role]: { ...card!.files[role]!, sha256: "0".repeat(64) } } };
    assert.notEqual(graphKey(other, role), graphKey(card!, role));
    assert.match(prepared.folder, /onnxruntime-\d+\.\d+\.\d+-\w+-\w+-[0-9a-f]{16}$/);
  });

  test("are those that are opened: a shortlist in the decoder's place, where a bundle has one", async () => {
    const [card] = await readCards(projectPath("models"));
    const { decoder_shortlist: _, ranker: __, sentence_scorer: ___, acceptability: ____, infiller: _____, critic: ______, ...others } = card!.files;
    const shortlist = { ...others.decoder, path: "../shared/decoder_shortlist.onnx" };
    assert.deepEqual(graphRoles({ ...card!, files: others }), ["encoder", "condition", "denoiser", "decoder"]);
    const files = { ...others, decoder_shortlist: shortlist };
    assert.deepEqual(graphRoles({ ...card!, files }), ["encoder", "condition", "denoiser", "decoder_shortlist"]);
    assert.deepEqual(graphRoles({ ...card!, files: { ...files, ranker: others.condition } }).at(-1), "ranker");
    const redone = { ...files, decoder: { ...files.decoder, sha256: "0".repeat(64) } };
    assert.notEqual(graphKey({ ...card!, files: redone }, "decoder_shortlist"), graphKey({ ...card!, files }, "decoder_shortlist"), "its weights are the decoder's");
    for (const role of ["denoiser", "condition"] as const) {
      const based = { ...files, [`${role}_base`]: files[role] };
      const another = { ...files, [`${role}_base`]: { ...files[role], sha256: "0".repeat(64) } };
      assert.deepEqual(graphRoles({ ...card!, files: based }), graphRoles({ ...card!, files }), "a base is not opened by itself");
      assert.notEqual(graphKey({ ...card!, files: another }, role), graphKey({ ...card!, files: based }, role), "but holds most weights");
    }
  });

  test("that nobody has opened for a month are removed, and so is what a process that ended left half done", async () => {
    const folder = join(cache, "onnxruntime-0.0.0-elsewhere");
    const old = join(folder, "old");
    const fresh = join(folder, "fresh");
    for (const entry of [old, fresh]) mkdirSync(entry, { recursive: true });
    const monthAgo = Date.now() / 1000 - 31 * 86_400;
    utimesSync(old, monthAgo, monthAgo);
    const ended = join(prepared.folder, `${unfinishedBy(12)}x`);
    const running = join(prepared.folder, `${unfinishedBy(123)}x`);
    for (const entry of [ended, running]) mkdirSync(entry);
    writeFileSync(join(ended, WEIGHTS_FILE), "half");
    await prepared.prune();
    await prepared.removeUnfinished(12);
    assert.deepEqual([old, fresh, ended, running].map((entry) => existsSync(entry)), [false, true, false, true]);
  });
});
