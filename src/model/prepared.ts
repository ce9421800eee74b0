import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { BundleCard, FileRole } from "./bundle.js";
import { sha256OfFile } from "./checksum.js";

/** Raise it when sessions are opened with other options: what was prepared with the old ones is then not found. */
const FORMAT = 1;
/** Entries that nobody has opened for so long are removed. */
const KEEP_MS = 30 * 86_400_000;

export const GRAPH_FILE = "graph.onnx";
export const WEIGHTS_FILE = "weights.bin";
export const MANIFEST_FILE = "manifest.json";

const GRAPH_ROLES = ["encoder", "condition", "denoiser", "denoiser_loop", "decoder", "decoder_shortlist", "sentence_scorer", "ranker", "acceptability", "critic", "infiller"] as const;
export type GraphRole = (typeof GRAPH_ROLES)[number];

/** Graphs whose weights lie in another's file. */
const READS_FROM: Partial<Record<GraphRole, FileRole>> = { decoder_shortlist: "decoder", condition: "condition_base", denoiser: "denoiser_base", infiller: "infiller_base" };

const manifestSchema = z.object({ [GRAPH_FILE]: z.string(), [WEIGHTS_FILE]: z.string() });
export type Manifest = z.infer<typeof manifestSchema>;

/** Which of its decoders a bundle is served with. */
export function decoderRole({ files }: BundleCard): "decoder" | "decoder_shortlist" {
  return files.decoder_shortlist === undefined ? "decoder" : "decoder_shortlist";
}

/** The graphs that are opened to serve a bundle. */
export function graphRoles(card: BundleCard): GraphRole[] {
  const other = decoderRole(card) === "decoder" ? "decoder_shortlist" : "decoder";
  return GRAPH_ROLES.filter((role) => role !== other && card.files[role] !== undefined);
}

/** Names a graph by its content: its file's, and that of the files beside it which it may read weights from. */
export function graphKey({ files }: BundleCard, role: GraphRole): string {
  const beside = READS_FROM[role];
  const read = [files[role], files.embeddings, beside && files[beside]];
  return createHash("sha256").update(read.map((file) => file?.sha256 ?? "").join(" ")).digest("hex").slice(0, 32);
}

/** How the name of an entry begins that a process is still writing. */
export function unfinishedBy(pid: number): string {
  return `.writing-${pid}-`;
}

/** What packed weights depend on besides the graph: the runtime, and the processor whose kernels they are laid out for. */
function environment(): string {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  const features = process.platform === "linux" ? /^(flags|Features)\s*:.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[0] : undefined;
  const processor = createHash("sha256").update(`${FORMAT} ${cpus()[0]?.model} ${features}`).digest("hex").slice(0, 16);
  return `onnxruntime-${version}-${process.platform}-${process.arch}-${processor}`;
}

/**
 * Graphs as ONNX Runtime leaves them at load, kept as files: optimised, int8 weights unpacked, and those of products packed for this
 * processor's kernels. Opened from there, weights are mapped, so that all processes of a machine share them.
 */
export class PreparedGraphs {
  /** Where the entries of this runtime and processor lie, a folder each. */
  readonly folder: string;

  constructor(readonly cacheDir: string) {
    this.folder = join(cacheDir, environment());
  }

  /** True when there is an entry, whole or not. */
  async has(key: string): Promise<boolean> {
    return (await stat(join(this.folder, key)).catch(() => undefined)) !== undefined;
  }

  /** True when every graph of some bundles has an entry. */
  async hasAll(cards: readonly BundleCard[]): Promise<boolean> {
    const found = await Promise.all(cards.flatMap((card) => graphRoles(card).map((role) => this.has(graphKey(card, role)))));
    return found.every(Boolean);
  }

  /**
   * Path of a prepared graph, every byte of which is as it was written; undefined when there is none. An entry that is damaged is removed;
   * one in a folder that others may write to is left alone, and not used.
   */
  async find(key: string): Promise<string | undefined> {
    const entry = join(this.folder, key);
    if (!(await this.has(key)) || !(await isOurs(this.folder))) return undefined;
    try {
      const manifest = manifestSchema.parse(JSON.parse(await readFile(join(entry, MANIFEST_FILE), "utf8")));
      for (const [file, sha256] of Object.entries(manifest)) {
        if ((await sha256OfFile(join(entry, file))) !== sha256) throw new Error(`${file} is altered`);
      }
    } catch {
      await rm(entry, { recursive: true, force: true }).catch(() => undefined);
      return undefined;
    }
    const now = new Date();
    await utimes(entry, now, now).catch(() => undefined);
    return join(entry, GRAPH_FILE);
  }

  /** Removes what a process that has ended left half done. */
  async removeUnfinished(pid: number): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    const left = names.filter((name) => name.startsWith(unfinishedBy(pid)));
    await Promise.all(left.map((name) => rm(join(this.folder, name), { recursive: true, force: true }).catch(() => undefined)));
  }

  /** Removes entries of any runtime and processor, and what a writer left half done, that were not opened for 30 days. */
  async prune(): Promise<void> {
    for (const environment of await readdir(this.cacheDir).catch(() => [])) {
      for (const name of await readdir(join(this.cacheDir, environment)).catch(() => [])) {
        const entry = join(this.cacheDir, environment, name);
        const found = await stat(entry).catch(() => undefined);
        if (found && Date.now() - found.mtimeMs > KEEP_MS) await rm(entry, { recursive: true, force: true }).catch(() => undefined);
      }
    }
  }
}

/** False where somebody else owns a folder, root apart, or may write to it: a graph is a program, and a stranger's must not be run. */
export async function isOurs(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) return false;
  if (process.getuid === undefined) return true;
  return (found.uid === process.getuid() || found.uid === 0) && (found.mode & 0o022) === 0;
}
