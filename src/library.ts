import { resolve } from "node:path";
import type { BundleSummary, GenerateReply, StageTimings, StepEvent } from "./engine/contract.js";
import { completeOptions, type OpenOptions } from "./engine/options.js";
import { StepScheduler } from "./engine/step-scheduler.js";
import type { Products } from "./model/device.js";
import type { PartRequest, PartResult, Pipeline, SampleRow } from "./model/pipeline-contract.js";

export interface SamplerOptions {
  /** onnxruntime intra-op threads per session; 1 when absent. */
  threads?: number;
  /** What is multiplied, as the server's --products; int8 when absent. */
  products?: Products;
  /** Folder of graphs that a server on this machine has prepared for products in fp32 (its --cache-dir); weights found there are shared with it. None when absent. */
  cacheDir?: string;
}

export interface SampleOptions extends Partial<OpenOptions> {
  /** Stops the run between two denoising steps. */
  signal?: AbortSignal;
  /** Told what each row reads as after every `everySteps` of its steps. */
  onStep?: (event: StepEvent) => void;
  /** 1 when absent. */
  everySteps?: number;
}

/** One bundle, loaded into this process. */
export interface Sampler {
  /** What the bundle is, its defaults and limits. */
  readonly summary: BundleSummary;
  /**
   * One result for each text, in order. Each denoising step blocks this thread, a few milliseconds for a short text; between
   * two of them the event loop turns. The seed is drawn when it is not given, and told in `used`.
   * @throws TdiError text_too_long, text_unreadable or text_too_short; the signal's reason after an abort
   */
  sample(text: string | string[], options?: SampleOptions): Promise<GenerateReply>;
}

/**
 * Loads a bundle for use without the server, after checking the sha256 of each of its files.
 * @param bundleDir folder with a bundle.json, beside the shared folder that its card may point to
 * @throws BundleError that names the file which is missing or altered
 */
export async function createSampler(bundleDir: string, { threads = 1, products = "int8", cacheDir }: SamplerOptions = {}): Promise<Sampler> {
  // Read by onnxruntime when it is loaded, so it is loaded here and not with this module.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  const [{ load }, { readBundle }] = await Promise.all([import("./model/load.js"), import("./model/bundle.js")]);
  const pipeline = await load(await readBundle(resolve(bundleDir)), threads, products, cacheDir);
  return {
    summary: pipeline.summary,
    async sample(text, { signal, onStep, everySteps = 1, ...rest } = {}) {
      const texts = typeof text === "string" ? [text] : text;
      const options = completeOptions({ numCandidates: 1, truncation: "error", canvas: "auto", ...rest }, pipeline.summary);
      pipeline.check(texts, options);
      const results: PartResult[] = [];
      for (const [index, each] of texts.entries()) {
        const part = { task: pipeline.task, text: each, index, options, ...(onStep && { everySteps }) };
        results.push(await sampleText(pipeline, part, signal, onStep));
      }
      return replyOf(results);
    },
  };
}

/** Runs one text to its end, a row at a time. */
async function sampleText(pipeline: Pipeline, request: PartRequest, signal: AbortSignal | undefined, onStep: SampleOptions["onStep"]): Promise<PartResult> {
  const { everySteps = Infinity } = request;
  const scheduler = new StepScheduler<SampleRow>({ batching: "off", maxRows: 1, stepsPerCall: 1 });
  const part = await pipeline.prepare(request);
  const began = performance.now();
  scheduler.add(part.rows);
  for (let tick = scheduler.next(); tick; tick = scheduler.next()) {
    await new Promise((resume) => setImmediate(resume));
    signal?.throwIfAborted();
    await pipeline.advance(tick.shape, tick.rows, tick.steps);
    for (const row of tick.rows) if (onStep && (row.done % everySteps === 0 || row.done === row.steps)) onStep(await pipeline.read(row));
    for (const row of scheduler.settle(tick)) {
      await pipeline.collect(row);
      pipeline.release(row.shape);
    }
    if (scheduler.idle) scheduler.add(pipeline.more(part));
  }
  while (await pipeline.revise(part, onStep)) {
    await new Promise((resume) => setImmediate(resume));
    signal?.throwIfAborted();
  }
  return pipeline.finish(part, performance.now() - began);
}

function replyOf(parts: readonly PartResult[]): GenerateReply {
  const { model, used } = parts[0]!;
  const total = (stage: keyof StageTimings) => parts.reduce((sum, { timings }) => sum + timings[stage], 0);
  const timings = { queue: 0, conditioning: total("conditioning"), denoising: total("denoising"), decoding: total("decoding") };
  return { model, results: parts.map(({ result }) => result), used, timings };
}
