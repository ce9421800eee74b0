import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { sha256OfFile } from "../model/checksum.js";
import { parseCard, placeOf, type BundleCard } from "../model/bundle.js";
import { CliError, EXIT, usage } from "./exit.js";

export interface PullOptions {
  /** Models folder. */
  into: string;
  /** Name of the bundle's folder there; the bundle's own name when absent. */
  name?: string | undefined;
  /** Of bundle.json, whose checksums then vouch for every other file. */
  sha256?: string | undefined;
  /** Of a hub id. */
  revision: string;
  /** Address of the hub. */
  hub: string;
  signal: AbortSignal;
  say: (message: string) => void;
}

/** `owner/model`, with the folder of the bundle where it is not at the top. */
const HUB_ID = /^[\w.-]+\/[\w.-]+(\/[\w./-]+)?$/;

/** Where the bundle.json of a source is. @throws CliError */
export function addressOf(source: string, { hub, revision }: Pick<PullOptions, "hub" | "revision">): URL {
  if (/^https?:\/\//.test(source)) return new URL(source.endsWith("bundle.json") ? source : `${source.replace(/\/*$/, "/")}bundle.json`);
  if (existsSync(source)) return pathToFileURL(join(resolve(source), "bundle.json"));
  if (!HUB_ID.test(source)) throw usage(`${source} is no folder, no http address and no hub id.`);
  const [owner, model, ...folder] = source.split("/");
  return new URL(`${hub.replace(/\/*$/, "")}/${owner}/${model}/resolve/${revision}/${[...folder, "bundle.json"].join("/")}`);
}

/** Copies a bundle into a models folder, each file checked against its card before it gets its name. @returns the bundle's folder */
export async function pull(source: string, options: PullOptions): Promise<{ folder: string; card: BundleCard }> {
  const address = addressOf(source, options);
  if (address.protocol.startsWith("http") && /^https?:\/\//.test(source) && options.sha256 === undefined) {
    throw usage("A bundle from an address needs --sha256, the digest of its bundle.json.");
  }
  const text = Buffer.concat(await (await open(address, options.signal)).toArray());
  const digest = createHash("sha256").update(text).digest("hex");
  if (options.sha256 !== undefined && digest !== options.sha256.toLowerCase()) {
    throw new CliError(`bundle.json is not the one asked for: its sha256 is ${digest}.`, EXIT.failed);
  }
  const card = parseCard(text.toString("utf8"), source);
  const folder = join(resolve(options.into), options.name ?? card.name);
  if (basename(folder) === "" || dirname(folder) !== resolve(options.into)) throw usage("--name must be a plain name.");
  await mkdir(folder, { recursive: true });
  for (const file of Object.values(card.files)) {
    // As the server will look for it: in the bundle's folder, or in one beside it.
    const target = placeOf(folder, file.path);
    if (existsSync(target)) {
      if ((await sha256OfFile(target)) === file.sha256) continue;
      throw new CliError(`${target} exists and is another file; pull into another models folder.`, EXIT.failed);
    }
    options.say(`${file.path} (${(file.bytes / 1e6).toFixed(1)} MB)`);
    await fetchFile(new URL(file.path, address), target, file, options.signal);
  }
  // Last, as a folder is a bundle from the moment it has a card.
  await writeFile(join(folder, "bundle.json"), text);
  return { folder, card };
}

async function fetchFile(from: URL, target: string, { bytes, sha256: wanted }: { bytes: number; sha256: string }, signal: AbortSignal): Promise<void> {
  const part = `${target}.part`;
  await mkdir(dirname(target), { recursive: true });
  const hash = createHash("sha256");
  let length = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length;
      hash.update(chunk);
      done(length > bytes ? new CliError(`${from.href} is longer than its card says.`, EXIT.failed) : null, chunk);
    },
  });
  try {
    await pipeline(await open(from, signal), count, createWriteStream(part), { signal });
    if (hash.digest("hex") !== wanted) throw new CliError(`${from.href} is altered: its sha256 is not the one in its card.`, EXIT.failed);
    await rename(part, target);
  } finally {
    await rm(part, { force: true });
  }
}

async function open(address: URL, signal: AbortSignal): Promise<Readable> {
  if (address.protocol === "file:") {
    if (!existsSync(address)) throw new CliError(`${address.pathname} is missing.`, EXIT.failed);
    return createReadStream(address);
  }
  const response = await fetch(address, { signal }).catch((error: Error) => {
    signal.throwIfAborted();
    throw new CliError(`no answer from ${address.host}: ${(error.cause as Error | undefined)?.message ?? error.message}.`, EXIT.unavailable);
  });
  if (!response.ok || !response.body) throw new CliError(`${address.href} answered ${response.status}.`, EXIT.unavailable);
  return Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
}
