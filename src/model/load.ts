import { Conditioner } from "../conditioning/condition.js";
import { SentenceScorer } from "../conditioning/sentence-scorer.js";
import type { Task } from "../engine/contract.js";
import { Acceptability } from "./acceptability.js";
import type { DenoiserSessions } from "./batch.js";
import { Blanks } from "./blanks.js";
import { type Bundle, readBundles } from "./bundle.js";
import { Critic } from "./critic.js";
import { CPU, type Device, type Products, SERVING_CPU } from "./device.js";
import { Infiller } from "./infiller.js";
import { Inflector } from "./inflector.js";
import { Likelihood } from "./likelihood.js";
import { TextDiffusion } from "./pipeline.js";
import type { LoadOptions, Pipeline } from "./pipeline-contract.js";
import { decoderRole, PreparedGraphs } from "./prepared.js";
import { Ranker } from "./ranker.js";
import { Reviser } from "./reviser.js";
import { SampleReader } from "./sample-reader.js";
import { SharedFiles } from "./shared-files.js";

/**
 * Loads one verified bundle.
 * @param files of the process; what another bundle has opened is not opened again
 * @throws DeviceError
 */
async function loadFrom(files: SharedFiles, bundle: Bundle, device: Device): Promise<Pipeline> {
  const { card, paths } = bundle;
  const tokenizer = await files.tokenizer(paths.tokenizer!, card.tokens);
  const [encoder, condition] = [await files.session(bundle, "encoder"), await files.session(bundle, "condition")];
  const denoiser: DenoiserSessions = { step: await files.session(bundle, "denoiser") };
  if (paths.denoiser_loop !== undefined) denoiser.loop = await files.session(bundle, "denoiser_loop");
  const conditioner = new Conditioner(encoder, condition, { hidden: card.model.hidden, pad: card.tokens.pad });
  const shape = { hidden: card.model.hidden, sep: card.tokens.sep, special: new Set(card.tokens.special) };
  const scorer = paths.sentence_scorer === undefined ? undefined : new SentenceScorer(await files.session(bundle, "sentence_scorer"), conditioner, tokenizer, shape);
  const ranker = paths.ranker === undefined ? undefined : new Ranker(await files.session(bundle, "ranker"), card.model.hidden);
  const acceptability = paths.acceptability === undefined ? undefined : new Acceptability(await files.session(bundle, "acceptability"), card.model.hidden);
  const critic = paths.critic === undefined ? undefined : new Critic(await files.session(bundle, "critic"), card.model.hidden);
  const infiller = paths.infiller === undefined ? undefined : new Infiller(await files.session(bundle, "infiller"), card.model.hidden);
  const blanks = infiller && new Blanks(card, conditioner, infiller);
  const likelihood = infiller && new Likelihood(card, conditioner, infiller);
  const decoder = await files.session(bundle, decoderRole(card));
  const reader = new SampleReader(card, { tokenizer, conditioner, decoder, lexicon: await files.lexicon(paths.lexicon), bigrams: await files.bigrams(paths.bigrams), words: await files.words(paths.words), ranker, acceptability, critic, likelihood });
  const reviser = new Reviser(card, reader, blanks, blanks && new Inflector(card, reader, blanks));
  return new TextDiffusion(bundle, { tokenizer, conditioner, denoiser, reader, reviser, selector: await files.selector(paths.selector), scorer }, device);
}

/**
 * Loads one verified bundle by itself, on the CPU.
 * @param threads onnxruntime intra-op threads per session
 * @param cacheDir folder of prepared graphs, for products in fp32; none are used when absent
 */
export function load(bundle: Bundle, threads: number, products: Products, cacheDir?: string): Promise<Pipeline> {
  const device: Device = { ...CPU, products };
  return loadFrom(new SharedFiles(threads, device, preparedIn(cacheDir, device)), bundle, device);
}

function preparedIn(cacheDir: string | undefined, { products }: Device): PreparedGraphs | undefined {
  return cacheDir === undefined || products === "int8" ? undefined : new PreparedGraphs(cacheDir);
}

/** Verifies and loads every bundle of a models folder. BundleError names the file that is missing or altered. @throws DeviceError */
export async function loadPipelines({ modelsDir, threads, device = SERVING_CPU, cacheDir }: LoadOptions): Promise<Map<Task, Pipeline>> {
  const files = new SharedFiles(threads, device, preparedIn(cacheDir, device));
  const pipelines = new Map<Task, Pipeline>();
  for (const bundle of await readBundles(modelsDir)) pipelines.set(bundle.card.task, await loadFrom(files, bundle, device));
  return pipelines;
}
