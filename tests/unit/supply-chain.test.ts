import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { projectPath } from "../../src/project.js";

interface Entry {
  version?: string;
  license?: string;
  integrity?: string;
  resolved?: string;
  hasInstallScript?: boolean;
  dev?: boolean;
}

const read = (path: string) => readFileSync(projectPath(path), "utf8");
const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Entry> };
const entries = Object.entries(packages).filter(([path]) => path !== "");
const nameOf = (path: string) => path.replace(/^.*node_modules\//, "");

/** Packages that want to run a script when they are installed. None may; one that is new here is to be looked at first. */
const WITH_INSTALL_SCRIPTS = ["@scarf/scarf", "esbuild", "onnxruntime-node", "protobufjs"];

/** Licences that ask for no more than notices; LGPL is that of libvips, which the tokenizer library's image reader would load and this server never does. */
const LICENCES = /^\(?(MIT|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0|CC0-1\.0|LGPL-3\.0-or-later)( (AND|OR) (MIT|ISC|Apache-2\.0|CC0-1\.0|LGPL-3\.0-or-later))*\)?$/;

describe("what is installed", () => {
  test("every package is pinned by its digest", () => {
    assert.ok(entries.length > 150);
    for (const [path, { integrity, version }] of entries) assert.ok(version && integrity?.startsWith("sha512-"), path);
  });

  test("no package runs a script when it is installed, and those that want to are known by name", () => {
    assert.match(read(".npmrc"), /^ignore-scripts=true$/m);
    assert.deepEqual(entries.filter(([, entry]) => entry.hasInstallScript).map(([path]) => nameOf(path)).sort(), WITH_INSTALL_SCRIPTS);
  });

  test("what the server needs has a licence of the list", () => {
    for (const [path, { license, dev }] of entries) if (!dev) assert.match(license ?? "none", LICENCES, nameOf(path));
    const copyleft = entries.filter(([, { license, dev }]) => !dev && license?.includes("LGPL"));
    for (const [path] of copyleft) assert.match(nameOf(path), /^@img\/sharp-/);
  });
});
