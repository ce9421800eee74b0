/** `npm run conformance -- DIR`: imports a published TEncDM and holds the server's own code to its recorded vectors. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { checkBundle } from "./check.js";
import { importFolder, requirePython } from "./import.js";
import { type Item, table, verdict } from "./report.js";

const USAGE = "Usage: npm run conformance -- DIR   (DIR as docs/conformance.md describes; PYTHON names the Python to import with)";

/** The released configuration builds no cross-attention; such a checkpoint must be refused for that reason. */
function refusalItem(folder: string, out: string): Item[] {
  const checkpoint = join(folder, "no-crossattention.pth");
  if (!existsSync(checkpoint)) {
    console.log("note: the folder has no no-crossattention.pth, so its refusal is not checked");
    return [];
  }
  const { refusal } = importFolder(folder, out, "--checkpoint", checkpoint);
  console.log(`no-crossattention.pth: ${refusal === undefined ? "was taken" : `refused: ${refusal.slice(0, 240)}${refusal.length > 240 ? "…" : ""}`}`);
  return [verdict("no-crossattention.pth is refused", /cross-attention.*crossattention\./.test(refusal ?? ""))];
}

async function run(folder: string, scratch: string): Promise<boolean> {
  requirePython();
  const bundle = join(scratch, "bundle");
  const { refusal, said } = importFolder(folder, bundle);
  if (refusal !== undefined) {
    console.log(`the import refuses this folder: ${refusal}`);
    return false;
  }
  console.log(said);
  const { items, note } = await checkBundle(bundle, folder, Math.min(availableParallelism(), 8));
  console.log(`note: ${note}`);
  const all = [...items, verdict("the files agree (decoder, statistics, EMA names)", !said.includes("note: ")), ...refusalItem(folder, join(scratch, "refused"))];
  console.log(`\n${table(all)}\n`);
  console.log("Relative: the largest |ours - recorded| over the largest |recorded| of the item.");
  const failed = all.filter((item) => !item.passed).length;
  console.log(failed === 0 ? `All ${all.length} items pass.` : `${failed} of ${all.length} items FAIL.`);
  return failed === 0;
}

const [dir, ...rest] = process.argv.slice(2);
if (dir === undefined || rest.length > 0) {
  console.error(USAGE);
  process.exit(2);
}
const scratch = mkdtempSync(join(tmpdir(), "tdi-conformance-"));
try {
  // npm runs scripts in the package's folder; a relative path is meant from where it was called.
  process.exitCode = (await run(resolve(process.env["INIT_CWD"] ?? ".", dir), scratch)) ? 0 : 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true });
}
