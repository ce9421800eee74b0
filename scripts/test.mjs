/**
 * `npm test [-- part of a file name]`: installs and builds when needed, then runs the tests one file after the other.
 * With `--ci`, those that need more than Node.js (tests/ci: a browser, Prometheus) in their place.
 */
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fail, filesBelow, root, setUp } from "./setup.mjs";

await setUp();
const ci = process.argv.includes("--ci");
const wanted = process.argv.slice(2).find((argument) => argument !== "--ci") ?? "";
const ending = ci ? ".ci.js" : ".test.js";
const files = filesBelow(join("dist", "tests")).filter((file) => file.endsWith(ending) && file.includes(wanted));
if (files.length === 0) fail(`No test file has "${wanted}" in its name.`);

console.error(`> running ${files.length} test files`);
let passed = 0;
let failed = 0;
// One file at a time: the end-to-end tests measure a server that wants every core.
run({ files: files.map((file) => join(root, file)), concurrency: 1, timeout: 900_000 })
  .on("test:pass", ({ details, skip, todo }) => {
    // A suite is not a test; a skipped test has shown nothing, so here it counts as failed.
    if (skip !== undefined || todo !== undefined) failed += 1;
    else if (details.type !== "suite") passed += 1;
  })
  .on("test:fail", ({ details }) => {
    // A suite fails with its tests, which are counted, or by itself.
    if (details.error.failureType !== "subtestsFailed") failed += 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
process.on("exit", (code) => {
  if (failed > 0 || passed === 0) process.exitCode = code || 1;
  console.error(failed > 0 ? `> ${failed} failed or were skipped` : `> ${passed} passed`);
});
