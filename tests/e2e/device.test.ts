import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compareWithCpu } from "../../src/model/agreement.js";
import { readBundle } from "../../src/model/bundle.js";
import { CPU } from "../../src/model/device.js";
import { projectPath } from "../../src/project.js";
import { spawnServer } from "../fixtures/server-process.js";

/** A device that this platform's build of ONNX Runtime cannot have. */
const ABSENT = process.platform === "darwin" ? "dml" : "coreml";

describe("a device", () => {
  test("is compared with the CPU over every graph: the CPU with itself is the same to the bit", async () => {
    const { difference, stepMs, cpuStepMs } = await compareWithCpu(await readBundle(projectPath("models/qqp-paraphrase")), CPU, 1);
    assert.equal(difference, 0);
    assert.ok(stepMs > 0 && cpuStepMs > 0);
  });

  test("that was asked for and is not there ends the start with what it needs", async () => {
    const server = spawnServer("dist/src/main.js", ["--port", "0", "--device", ABSENT]);
    assert.equal(await server.exit(), 1);
    const fatal = server.lines.find(({ level }) => level === "fatal")!;
    assert.match(String(fatal["detail"]), new RegExp(`^--device ${ABSENT} cannot be used: .*It exists on (macOS|Windows) alone\\.$`));
  });
});
