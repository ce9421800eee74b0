import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { checkBundle } from "../../src/conformance/check.js";
import { readSafetensors, SafetensorsError } from "../../src/conformance/safetensors.js";
import { BundleError, readBundle } from "../../src/model/bundle.js";
import { projectPath } from "../../src/project.js";

/** Vectors of an independent implementation and graphs of this project's (training/tests/make_fixture.py). */
const FOLDER = projectPath("tests/fixtures/conformance");

function copy(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tdi-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(FOLDER, folder, { recursive: true });
  return folder;
}

/** Writes a file of the bundle anew, and its checksum into the card: the check must see it by what it computes. */
function rewrite(bundle: string, role: string, change: (bytes: Buffer) => Buffer): void {
  const file = join(bundle, `${role}.onnx`);
  writeFileSync(file, change(readFileSync(file)));
  const card = JSON.parse(readFileSync(join(bundle, "bundle.json"), "utf8"));
  card.files[role] = { path: basename(file), bytes: statSync(file).size, sha256: createHash("sha256").update(readFileSync(file)).digest("hex") };
  writeFileSync(join(bundle, "bundle.json"), JSON.stringify(card));
}

const check = (folder: string) => checkBundle(join(folder, "bundle"), folder, 1);

describe("conformance of the server's code", () => {
  test("every item agrees with the recorded vectors", async () => {
    const { items, note } = await check(FOLDER);
    assert.deepEqual(items.filter((item) => !item.passed), []);
    assert.equal(items.length, 34);
    assert.match(note, /linear grid of 4 steps/);
  });

  test("one weight matrix off by 1 % fails, of whatever kind", async (t) => {
    const vectors = await readSafetensors(join(FOLDER, "vectors.safetensors"));
    const probes = [...vectors].filter(([name]) => name.startsWith("probe."));
    assert.equal(probes.length, 8);
    for (const [name, { data }] of probes) {
      const [, role] = name.split(".") as [string, string];
      const folder = copy(t);
      rewrite(join(folder, "bundle"), role, (bytes) => {
        const at = bytes.indexOf(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        assert.ok(at > 0, `${name} does not lie in ${role}.onnx`);
        Buffer.from(data.map((value) => value * 1.01).buffer).copy(bytes, at);
        return bytes;
      });
      const { items } = await check(folder);
      assert.ok(items.some((item) => !item.passed), `${name} x 1.01 passes`);
      assert.ok(items.every((item) => item.passed || Number.isFinite(item.relative)), name);
    }
  });

  test("another guidance weight and another schedule fail", async (t) => {
    const settings = copy(t);
    const config = JSON.parse(readFileSync(join(settings, "config.json"), "utf8"));
    writeFileSync(join(settings, "config.json"), JSON.stringify({ ...config, cfg_coef: config.cfg_coef + 0.01 }));
    const guided = (await check(settings)).items.filter((item) => !item.passed);
    assert.ok(guided.length > 0 && guided.every(({ name }) => name.includes("guided")), guided.map(({ name }) => name).join("; "));

    const schedule = copy(t);
    const card = JSON.parse(readFileSync(join(schedule, "bundle/bundle.json"), "utf8"));
    card.schedule.d += 0.1;
    writeFileSync(join(schedule, "bundle/bundle.json"), JSON.stringify(card));
    assert.ok((await check(schedule)).items.some(({ name, passed }) => !passed && name.startsWith("ddim")));
  });

  test("a vector that is not recorded is named", async (t) => {
    const folder = copy(t);
    const file = join(folder, "vectors.safetensors");
    writeFileSync(file, readFileSync(file).toString("latin1").replace('"x0_null"', '"x0_nulL"'), "latin1");
    await assert.rejects(check(folder), /x0_null is not recorded/);
  });

  test("the server refuses a bundle that was imported without an encoder, and says what to do", async () => {
    await assert.rejects(readBundle(join(FOLDER, "bundle")), (error: Error) => error instanceof BundleError && /without an encoder and a tokenizer.*--encoder/.test(error.message));
  });
});

describe("safetensors", () => {
  const write = (t: TestContext, header: string, body: number[], length = header.length): string => {
    const folder = mkdtempSync(join(tmpdir(), "tdi-test-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(length));
    writeFileSync(join(folder, "a.safetensors"), Buffer.concat([size, Buffer.from(header), Buffer.from(body)]));
    return join(folder, "a.safetensors");
  };

  test("reads float32 and int64, and leaves the metadata out", async (t) => {
    const header = '{"__metadata__":{"a":"b"},"f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"i":{"dtype":"I64","shape":[1,1],"data_offsets":[8,16]}}';
    const found = await readSafetensors(write(t, header, [0, 0, 128, 63, 0, 0, 0, 192, 254, 255, 255, 255, 255, 255, 255, 255]));
    assert.deepEqual([...found], [["f", { dims: [2], data: new Float32Array([1, -2]) }], ["i", { dims: [1, 1], data: new Float32Array([-2]) }]]);
  });

  for (const [what, header, length] of [
    ["a header longer than the file", "{}", 999],
    ["a header that is no JSON", "{x", 2],
    ["a shape that does not fit", '{"f":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}', undefined],
    ["offsets beyond the file", '{"f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', undefined],
    ["a type that is not read", '{"f":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', undefined],
  ] as const) {
    test(`refuses ${what}`, async (t) => assert.rejects(readSafetensors(write(t, header, [0, 0, 0, 0], length ?? header.length)), SafetensorsError));
  }
});
