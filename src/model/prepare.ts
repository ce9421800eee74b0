import { mkdir, mkdtemp, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type * as ort from "onnxruntime-node";
import { readBundles } from "./bundle.js";
import { sha256OfFile } from "./checksum.js";
import { GRAPH_FILE, graphKey, graphRoles, isOurs, type Manifest, MANIFEST_FILE, PreparedGraphs, unfinishedBy, WEIGHTS_FILE } from "./prepared.js";
import { type Feeds, floats, longs, openSaved, saveSession } from "./session.js";

/** Bytes that a byte of a graph's files becomes at most: int8 unpacked to fp32, and packed for the kernels beside it. */
const GROWTH = 8;

/**
 * Prepares the graphs of a models folder that are not yet, one after the other. Two that do so at a time do no harm.
 * @returns how many it wrote
 * @throws Error when the folder cannot be written or has too little room, BundleError
 */
export async function prepareBundles(modelsDir: string, cacheDir: string): Promise<number> {
  const prepared = new PreparedGraphs(cacheDir);
  await prepared.prune();
  const missing = new Map<string, string>();
  for (const { card, paths } of await readBundles(modelsDir)) {
    for (const role of graphRoles(card)) if (!(await prepared.has(graphKey(card, role)))) missing.set(graphKey(card, role), paths[role]!);
  }
  if (missing.size === 0) return 0;
  await mkdir(prepared.folder, { recursive: true, mode: 0o700 });
  if (!(await isOurs(prepared.folder))) throw new Error(`others may write to ${prepared.folder}`);
  await checkRoom(prepared.folder, [...missing.values()]);
  for (const [key, path] of missing) await write(prepared, key, path);
  return missing.size;
}

async function checkRoom(folder: string, graphs: readonly string[]): Promise<void> {
  let needed = 0;
  for (const path of graphs) needed += GROWTH * (await stat(path)).size;
  const { bavail, bsize } = await statfs(folder);
  // As much again stays free for others.
  if (bavail * bsize < 2 * needed) throw new Error(`it takes up to ${Math.ceil(needed / 1e6)} MB, and too little is free in ${folder}`);
}

async function write(prepared: PreparedGraphs, key: string, path: string): Promise<void> {
  const scratch = await mkdtemp(join(prepared.folder, unfinishedBy(process.pid)));
  const graph = join(scratch, GRAPH_FILE);
  try {
    const original = await saveSession(path, graph, WEIGHTS_FILE);
    try {
      await tryOut(graph, original);
    } finally {
      await original.release();
    }
    // A graph without large weights has no file of them.
    await writeFile(join(scratch, WEIGHTS_FILE), "", { flag: "a" });
    const manifest: Manifest = { [GRAPH_FILE]: await sha256OfFile(graph), [WEIGHTS_FILE]: await sha256OfFile(join(scratch, WEIGHTS_FILE)) };
    await writeFile(join(scratch, MANIFEST_FILE), JSON.stringify(manifest));
    await rename(scratch, join(prepared.folder, key));
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    // Another process was faster.
    if (!(await prepared.has(key))) throw error;
  }
}

/** A run of the prepared graph, whose results must have the bits of the original's. @throws Error when they do not */
async function tryOut(graph: string, original: ort.InferenceSession): Promise<void> {
  const saved = await openSaved(graph, 1);
  const feeds = trialFeeds(saved);
  const [expected, found] = [await original.run(feeds), await saved.run(feeds)];
  await saved.release();
  for (const name of original.outputNames) {
    if (!sameBits(expected[name]!.data, found[name]!.data)) throw new Error(`a prepared graph gives another "${name}" than the bundle's`);
  }
}

/** One row of 16 positions: any floats, and the integer that is a token and a row's place everywhere, 0. */
function trialFeeds(session: ort.InferenceSession): Feeds {
  const feeds: Feeds = {};
  for (const input of session.inputMetadata) {
    if (!input.isTensor) throw new Error(`the input "${input.name}" is no tensor`);
    const dims = input.shape.map((size) => (typeof size === "number" ? size : size === "rows" ? 1 : 16));
    const length = dims.reduce((product, size) => product * size, 1);
    feeds[input.name] = input.type === "int64" ? longs(new BigInt64Array(length), ...dims) : floats(Float32Array.from({ length }, (_, i) => Math.sin(i)), ...dims);
  }
  return feeds;
}

function sameBits(a: ort.Tensor["data"], b: ort.Tensor["data"]): boolean {
  const bytes = (data: ort.Tensor["data"]) => {
    const { buffer, byteOffset, byteLength } = data as Float32Array | BigInt64Array;
    return Buffer.from(buffer, byteOffset, byteLength);
  };
  return bytes(a).equals(bytes(b));
}
