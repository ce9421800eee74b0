import { readFile, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { z } from "zod";
import { MOST_NOVELTY, MOST_REVISIONS, MOST_SAMPLES, RANKINGS, SOLVERS, TASKS } from "../engine/contract.js";
import { sha256OfFile } from "./checksum.js";

const FORMAT = 1;

const fileEntry = z.object({ path: z.string().min(1), bytes: z.number().int().positive(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const grid = z.discriminatedUnion("name", [
  z.object({ name: z.literal("linear") }),
  z.object({ name: z.literal("logsnr"), log_snr_min: z.number(), log_snr_max: z.number() }),
  z.object({ name: z.literal("logit_normal"), log_snr_min: z.number(), log_snr_max: z.number(), mean: z.number(), std: z.number().positive() }),
]);

const model = z.object({
  hidden: z.number().int().positive(),
  layers: z.number().int().positive(),
  heads: z.number().int().positive(),
  precondition: z.boolean(),
});
const schedule = z.object({ name: z.enum(["tan", "sqrt", "cosine"]), d: z.number() });

/** bundle.json: all that the server must know of a model, and a checksum of each file it will run. */
const bundleSchema = z.object({
  format: z.literal(FORMAT),
  task: z.enum(TASKS),
  name: z.string().min(1),
  revision: z.string(),
  language: z.string(),
  licence: z.string(),
  precision: z.string(),
  providers: z.array(z.string()),
  model,
  schedule,
  defaults: z.object({
    solver: z.enum(SOLVERS),
    grid,
    steps: z.number().int().positive(),
    guidance: z.number().min(0),
    /** How far samples are led away from their source's wording (novelty.ts). */
    novelty: z.number().min(0).max(MOST_NOVELTY).default(0),
    clamp_steps: z.number().int().min(0).default(0),
    /** Times that a candidate is revised at most. */
    revisions: z.number().int().min(0).max(MOST_REVISIONS).default(0),
    /** Samples of a text, of which the best is returned. */
    best_of: z.number().int().min(1).max(MOST_SAMPLES).default(1),
    ranking: z.enum(RANKINGS).default("mbr"),
  }),
  limits: z.object({
    /** Tokens that a text may have. */
    source_tokens: z.number().int().positive(),
    /** Tokens that the encoder reads at most, where a selector leaves fewer than the text has; source_tokens unless given. */
    read_tokens: z.number().int().positive().optional(),
    canvases: z.array(z.number().int().positive()).min(1),
    max_steps: z.number().int().positive(),
    max_guidance: z.number().min(0),
  }),
  canvas_rule: z.object({ ratio: z.number().min(0), extra: z.number().int() }),
  tokens: z.object({ pad: z.number().int(), cls: z.number().int(), sep: z.number().int(), unk: z.number().int(), /** What stands for a blank, and as a filling for nothing; unk unless given. */ mask: z.number().int().optional(), special: z.array(z.number().int()) }),
  files: z.object({
    encoder: fileEntry,
    condition: fileEntry,
    denoiser: fileEntry,
    /** Where these two only add low-rank adapters (training/tdi_training/adapted.py), or unpack some matrices at load (fold.py): the graphs in whose files their other weights lie. */
    condition_base: fileEntry.optional(),
    denoiser_base: fileEntry.optional(),
    /** Several steps a call (training/tdi_training/loop.py), for devices where a call is dear. */
    denoiser_loop: fileEntry.optional(),
    decoder: fileEntry,
    /** The decoder with a choice among frequent tokens and those of the source (training/tdi_training/shortlist.py); its weights lie in the decoder's file. */
    decoder_shortlist: fileEntry.optional(),
    tokenizer: fileEntry,
    embeddings: fileEntry.optional(),
    lexicon: fileEntry.optional(),
    /** Pairs of tokens that follow each other in running text (src/model/fluency.ts), to rank candidates by. */
    bigrams: fileEntry.optional(),
    /** Words of several tokens that there are, one a line (src/model/whole-words.ts); any other that the source has not is taken for broken. */
    words: fileEntry.optional(),
    /** Tells which sample is the better paraphrase (src/model/ranker.ts), to rank candidates by. */
    ranker: fileEntry.optional(),
    /** Tells whether a text reads well (src/model/acceptability.ts), to rank candidates by. */
    acceptability: fileEntry.optional(),
    /** Tells whether a text reads as a rewording of its source would (src/model/critic.ts), beside that judge. */
    critic: fileEntry.optional(),
    /** Says what belongs in a blank (src/model/infiller.ts), to revise what reads badly. */
    infiller: fileEntry.optional(),
    /** Where that graph was made of another (training/tdi_training/packed.py): the one in whose file its weights lie. */
    infiller_base: fileEntry.optional(),
    /** Says which sentences of a text are read (src/conditioning/selection.ts). */
    selector: fileEntry.optional(),
    /** Scores sentences in the place of the selector's linear weights (src/conditioning/sentence-scorer.ts). */
    sentence_scorer: fileEntry.optional(),
  }),
  provenance: z.record(z.string(), z.unknown()),
  scores: z.record(z.string(), z.unknown()),
});

/** What an import without an encoder writes: its graphs can be checked against recorded vectors, but read no text. */
const conformanceSchema = z.object({
  format: z.literal(FORMAT),
  purpose: z.literal("conformance"),
  name: z.string().min(1),
  model,
  schedule,
  tokens: z.object({ pad: z.number().int() }),
  files: z.object({ normaliser: fileEntry, condition: fileEntry, denoiser: fileEntry, decoder: fileEntry }),
});

export type BundleCard = z.infer<typeof bundleSchema>;
export type FileRole = keyof BundleCard["files"];

/** A bundle whose files are all there, whole and unaltered. */
export interface Bundle {
  card: BundleCard;
  /** Absolute path of each file. */
  paths: Partial<Record<FileRole, string>>;
}

/** A bundle that cannot be served; the message names the bundle, the file and what is wrong with it. */
export class BundleError extends Error {}

/**
 * A file's place: in the bundle's own folder, or in one beside it that bundles share ("../shared/name"). Anything else
 * would let a card read files that are no part of the models folder.
 */
export function placeOf(folder: string, path: string): string {
  const full = resolve(folder, path);
  const root = dirname(resolve(folder));
  const parent = dirname(full);
  if (dirname(parent) !== root || !full.startsWith(root + sep)) throw new BundleError(`bundle ${basename(folder)}: file "${path}" lies outside the models folder`);
  return full;
}

async function verify(folder: string, entry: z.infer<typeof fileEntry>, known: Map<string, Promise<string>>): Promise<string> {
  const path = placeOf(folder, entry.path);
  const name = `bundle ${basename(folder)}: file "${entry.path}"`;
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new BundleError(`${name} is missing`);
  if (found.size !== entry.bytes) throw new BundleError(`${name} is truncated or altered: ${found.size} bytes, its card says ${entry.bytes}`);
  let digest = known.get(path);
  if (digest === undefined) known.set(path, (digest = sha256OfFile(path)));
  if ((await digest) !== entry.sha256) throw new BundleError(`${name} is altered: its sha256 is not the one in its card`);
  return path;
}

/** bundle.json of a folder, not yet checked. BundleError when it is missing or no JSON. */
async function readCard(folder: string): Promise<unknown> {
  const text = await readFile(join(folder, "bundle.json"), "utf8").catch(() => {
    throw new BundleError(`bundle ${basename(folder)}: file "bundle.json" is missing`);
  });
  return parseJson(text, folder);
}

function parseJson(text: string, folder: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BundleError(`bundle ${basename(folder)}: file "bundle.json" is not JSON`);
  }
}

/** The card in the text of a bundle.json. @param folder whose name the message of a BundleError has */
export function parseCard(text: string, folder: string): BundleCard {
  return checkCard(bundleSchema, parseJson(text, folder), folder);
}

function checkCard<T>(schema: z.ZodType<T>, json: unknown, folder: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(root)"}: ${issue.message}`).join("; ");
  throw new BundleError(`bundle ${basename(folder)}: file "bundle.json" does not fit format ${FORMAT}: ${faults}`);
}

/** Reads and verifies one bundle folder. `known` spares hashing a shared file twice. BundleError when it is not fit to run. */
export async function readBundle(folder: string, known = new Map<string, Promise<string>>()): Promise<Bundle> {
  const json = await readCard(folder);
  if (conformanceSchema.shape.purpose.safeParse((json as { purpose?: unknown } | null)?.purpose).success) {
    throw new BundleError(
      `bundle ${basename(folder)}: was imported without an encoder and a tokenizer, so it is for npm run conformance only; import it again with --encoder to serve it`,
    );
  }
  const card = checkCard(bundleSchema, json, folder);
  const roles = Object.entries(card.files) as [FileRole, z.infer<typeof fileEntry>][];
  const located = await Promise.all(roles.map(async ([role, entry]) => [role, await verify(folder, entry, known)] as const));
  return { card, paths: Object.fromEntries(located) };
}

export type ConformanceCard = z.infer<typeof conformanceSchema>;

/** Reads and verifies a bundle that an import without an encoder wrote. BundleError when it is not one. */
export async function readConformanceBundle(folder: string): Promise<{ card: ConformanceCard; paths: Record<keyof ConformanceCard["files"], string> }> {
  const card = checkCard(conformanceSchema, await readCard(folder), folder);
  const known = new Map<string, Promise<string>>();
  const located = await Promise.all(Object.entries(card.files).map(async ([role, entry]) => [role, await verify(folder, entry, known)] as const));
  return { card, paths: Object.fromEntries(located) as Record<keyof ConformanceCard["files"], string> };
}

/** The sub-folders with a bundle.json. BundleError when the models folder cannot be read. */
async function bundleFolders(modelsDir: string): Promise<string[]> {
  const entries = await readdir(modelsDir, { withFileTypes: true }).catch(() => {
    throw new BundleError(`the models folder is missing or cannot be read`);
  });
  const folders: string[] = [];
  for (const entry of entries.sort((a, b) => a.name.localeCompare(b.name))) {
    const folder = join(modelsDir, entry.name);
    if ((await stat(join(folder, "bundle.json")).catch(() => undefined))?.isFile()) folders.push(folder);
  }
  return folders;
}

/** Every bundle of a models folder, verified. BundleError when there is none, or two for one task. */
export async function readBundles(modelsDir: string): Promise<Bundle[]> {
  const folders = await bundleFolders(modelsDir);
  if (folders.length === 0) throw new BundleError("the models folder holds no bundle (a folder with a bundle.json)");
  const known = new Map<string, Promise<string>>();
  const bundles = await Promise.all(folders.map((folder) => readBundle(folder, known)));
  for (const task of TASKS) {
    const rivals = bundles.filter((bundle) => bundle.card.task === task);
    if (rivals.length > 1) throw new BundleError(`two bundles serve ${task}: ${rivals.map((b) => b.card.name).join(", ")}`);
  }
  return bundles;
}

/** The cards of a models folder, their files not verified. BundleError when one cannot be read. */
export async function readCards(modelsDir: string): Promise<BundleCard[]> {
  const folders = await bundleFolders(modelsDir);
  return Promise.all(folders.map(async (folder) => checkCard(bundleSchema, await readCard(folder), folder)));
}

/** Name of the folder of the bundle that serves a task, by its card alone. BundleError when there is none. */
export async function findBundle(modelsDir: string, task: (typeof TASKS)[number]): Promise<string> {
  for (const folder of await bundleFolders(modelsDir)) {
    const card = JSON.parse(await readFile(join(folder, "bundle.json"), "utf8").catch(() => "{}")) as { task?: unknown };
    if (card.task === task) return basename(folder);
  }
  throw new BundleError(`no bundle of the models folder serves ${task}`);
}
