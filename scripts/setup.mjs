/** What `npm start` and `npm test` do first: check Node.js, install, build. Plain Node.js, as nothing is installed yet. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LEAST_NODE = 20;

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Makes the compiled program ready to run, or ends the process with a message that says why not. */
export async function setUp() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < LEAST_NODE) fail(`Node.js ${LEAST_NODE} or newer is needed; this is ${process.versions.node}.`);
  install();
  await build();
}

/** Every file below a folder, sorted, as paths below the root. */
export function filesBelow(folder) {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)])).sort();
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

function say(message) {
  // Standard output is the server's log.
  console.error(`> ${message}`);
}

function install() {
  const lock = join(root, "package-lock.json");
  const installed = join(root, "node_modules", ".package-lock.json");
  if (existsSync(installed) && (!existsSync(lock) || statSync(installed).mtimeMs >= statSync(lock).mtimeMs)) return;
  // The compiler is a development dependency, so those are installed under NODE_ENV=production too.
  const ci = existsSync(lock) && (say("installing dependencies (npm ci)"), npm("ci", "--include=dev"));
  if (ci) return;
  say("installing dependencies (npm install)");
  if (!npm("install", "--include=dev")) fail("npm could not install the dependencies; its messages are above.");
}

/** Runs the npm that runs this script, or the one on the path. */
function npm(...args) {
  const own = process.env.npm_execpath;
  const options = { cwd: root, stdio: ["ignore", 2, 2] };
  const { status } = own ? spawnSync(process.execPath, [own, ...args], options) : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  return status === 0;
}

/** Compiles src/, tests/, bench/ and web/ into dist/ unless it was made from the same contents. */
async function build() {
  const stamp = join(root, "dist", ".built-from");
  const sources = ["src", "tests", "bench", "web"].flatMap(filesBelow);
  const fingerprint = fingerprintOf(["package-lock.json", "tsconfig.json", "scripts/web.mjs", ...sources]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint) return;
  say("building (tsc)");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.json"], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) fail("The build failed; the compiler's messages are above.");
  say("building the pages (esbuild)");
  // Imported here, as before npm has run there is no bundler.
  await (await import("./web.mjs")).buildWeb().catch((error) => fail(`The build of web/ failed: ${error.message}`));
  writeFileSync(stamp, fingerprint);
}

function fingerprintOf(files) {
  const hash = createHash("sha256");
  for (const file of files) if (existsSync(join(root, file))) hash.update(`${file}\0`).update(readFileSync(join(root, file))).update("\0");
  return hash.digest("hex");
}
