import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { projectPath } from "../../src/project.js";
import { flipMiddleByte } from "../fixtures/damage.js";
import { spawnServer } from "../fixtures/server-process.js";

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]));
}

const DAMAGES: Record<string, (file: string) => void> = {
  missing: (file) => rmSync(file),
  truncated: (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
  altered: flipMiddleByte,
};

describe("a damaged bundle", () => {
  for (const [damage, inflict] of Object.entries(DAMAGES)) {
    test(`a file that is ${damage} is named, exit code 1`, async (t: TestContext) => {
      const models = mkdtempSync(join(tmpdir(), "tdi-test-"));
      t.after(() => rmSync(models, { recursive: true }));
      cpSync(projectPath("models"), models, { recursive: true });
      const graphs = filesBelow(models).filter((file) => file.endsWith(".onnx")).sort((a, b) => statSync(a).size - statSync(b).size);
      const victim = graphs.at(-1)!;
      inflict(victim);
      const server = spawnServer("dist/src/main.js", ["--port", "0", "--models-dir", models]);
      t.after(() => server.child.kill("SIGKILL"));
      assert.equal(await server.exit(), 1);
      const fatal = server.lines.find((line) => line["level"] === "fatal");
      assert.match(String(fatal?.["detail"]), new RegExp(basename(victim).replaceAll(".", "\\.")));
    });
  }

  test("a models folder without bundles is an error, exit code 1", async (t: TestContext) => {
    const models = mkdtempSync(join(tmpdir(), "tdi-test-"));
    t.after(() => rmSync(models, { recursive: true }));
    const server = spawnServer("dist/src/main.js", ["--port", "0", "--models-dir", models]);
    t.after(() => server.child.kill("SIGKILL"));
    assert.equal(await server.exit(), 1);
    assert.ok(server.lines.some((line) => line["level"] === "fatal"));
  });
});
