import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { after, before, describe, test } from "node:test";
import { startFake, type FakeService } from "../fixtures/fake-service.js";

interface Problem {
  code: string;
  errors: { field: string; message: string }[];
}

describe("requests", () => {
  let service: FakeService;
  before(async () => {
    service = await startFake({ maxBodyBytes: 50_000 });
  });
  after(() => service.close());

  async function fieldsAtFault(body: unknown): Promise<string[]> {
    const response = await service.post("/paraphrase", body);
    assert.equal(response.status, 422);
    const problem = (await response.json()) as Problem;
    assert.equal(problem.code, "invalid_request");
    return problem.errors.map((error) => error.field).sort();
  }

  test("every invalid field is named by its path", async () => {
    assert.deepEqual(await fieldsAtFault({ text: ["ok", 3, "", "a\0b"], seed: -1, steps: 1.5, bogus: 1 }), ["bogus", "seed", "steps", "text[1]", "text[2]", "text[3]"]);
    assert.deepEqual(await fieldsAtFault({ text: "a\ud800" }), ["text"]);
    assert.deepEqual(await fieldsAtFault({ seed: 1 }), ["text"]);
    assert.deepEqual(await fieldsAtFault({ text: "a", "<script>": 1, constructor: 1 }), ["(unnameable)", "constructor"]);
    assert.deepEqual(await fieldsAtFault("[]"), ["(body)"]);
  });

  test("the limits of the bundle and of the rows are held", async () => {
    assert.deepEqual(await fieldsAtFault({ text: "a", steps: 150, canvas: 20, guidance: 9 }), ["canvas", "guidance", "steps"]);
    assert.deepEqual(await fieldsAtFault({ text: Array(18).fill("a"), num_candidates: 15 }), ["num_candidates"]);
    assert.deepEqual(await fieldsAtFault({ text: Array(18).fill("a"), best_of: 15 }), ["best_of"]);
    assert.deepEqual(await fieldsAtFault({ text: "a", num_candidates: 3, best_of: 2 }), ["best_of"]);
    assert.equal((await service.post("/paraphrase", { text: Array(8).fill("a"), num_candidates: 8 })).status, 200);
  });

  test("a fault of the engine names text when a string was sent, text[i] when an array was", async () => {
    const field = async (text: unknown) => ((await (await service.post("/summarize", { text })).json()) as Problem).errors[0]!.field;
    assert.equal(await field("too-long text"), "text");
    assert.equal(await field(["too-long text", "b"]), "text[0]");
  });

  test("no error echoes the input, a path or a stack", async () => {
    const secret = "xyzzy-plugh";
    const bodies: unknown[] = [`{"text": "${secret}`, secret, { text: 1, [secret.repeat(9)]: 1 }, { text: `boom ${secret}` }, { text: `unreadable ${secret}` }, { text: "a", solver: secret }, { text: `${secret}\0` }];
    for (const body of bodies) {
      const response = await service.post("/paraphrase", body);
      assert.ok(response.status >= 400);
      assert.doesNotMatch(await response.text(), /xyzzy|\.ts|\.js|\/src|node_modules|\\n +at /);
    }
    assert.doesNotMatch(await (await fetch(`${service.url}/${secret}?q=${secret}`)).text(), /xyzzy/);
  });

  test("bodies of odd making", async () => {
    const deep = `{"text":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
    assert.equal((await service.post("/paraphrase", deep)).status, 400);
    const many = `{"text":"a",${Array.from({ length: 3_000 }, (_, i) => `"f${i}":1`).join(",")}}`;
    assert.equal((await fieldsAtFault(many)).length, 50);
    const send = (body: Buffer, encoding: string) =>
      fetch(`${service.url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json", "content-encoding": encoding }, body: new Uint8Array(body) });
    assert.equal((await send(gzipSync('{"text":"a"}'), "gzip")).status, 200);
    assert.equal((await send(gzipSync(JSON.stringify({ text: "x".repeat(1_000_000) })), "gzip")).status, 413);
    assert.equal((await send(Buffer.from("not gzip"), "gzip")).status, 400);
  });

  test("a seed gives the same text again, a drawn one too", async () => {
    const ask = async (body: object) => (await (await service.post("/paraphrase", { text: "A text.", ...body })).json()) as { seed: number; results: { text: string }[] };
    const [first, second] = [await ask({ seed: 7 }), await ask({ seed: 7 })];
    assert.deepEqual(first.results, second.results);
    const drawn = await ask({});
    assert.deepEqual((await ask({ seed: drawn.seed })).results, drawn.results);
    assert.notEqual((await ask({})).seed, drawn.seed);
  });

  test("a sane request id is kept, another is replaced", async () => {
    const idFor = async (id: string) => (await fetch(`${service.url}/health/live`, { headers: { "x-request-id": id } })).headers.get("x-request-id");
    assert.equal(await idFor("trace-1.2:3~4_5"), "trace-1.2:3~4_5");
    for (const id of ["a b", "x".repeat(129), "é", '"', ""]) assert.match((await idFor(id))!, /^req_[0-9a-f]{24}$/);
  });

  test("headers of every reply", async () => {
    for (const path of ["/health/live", "/nowhere"]) {
      const { headers } = await fetch(service.url + path);
      assert.equal(headers.get("x-powered-by"), null);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.match(headers.get("content-security-policy")!, /default-src 'none'/);
    }
  });
});
