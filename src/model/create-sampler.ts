import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import type { BundleSummary, GenerateOptions, GenerateReply, StepEvent } from "../engine/contract.js";

export interface SamplerOptions {
  /** onnxruntime intra-op threads per session; 1 when absent. */
  threads?: number;
}

export interface SampleOptions extends Partial<GenerateOptions> {
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
export async function createSampler(bundleDir: string, { threads = 1 }: SamplerOptions = {}): Promise<Sampler> {
  // Read by onnxruntime when it is loaded, so it is loaded here and not with this module.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  const [{ load }, { readBundle }] = await Promise.all([import("./pipeline.js"), import("./bundle.js")]);
  const pipeline = await load(await readBundle(resolve(bundleDir)), threads);
  return {
    summary: pipeline.summary,
    sample(text, { signal = new AbortController().signal, onStep, everySteps = 1, ...options } = {}) {
      const request = {
        task: pipeline.task,
        texts: typeof text === "string" ? [text] : text,
        options: { numCandidates: 1, seed: randomInt(2 ** 32), truncation: "error", canvas: "auto", ...options } as const,
        ...(onStep && { progress: { everySteps } }),
      };
      const breathe = async () => {
        await new Promise((resume) => setImmediate(resume));
        signal.throwIfAborted();
      };
      return pipeline.generate(request, { signal, breathe, ...(onStep && { onEvent: onStep }) });
    },
  };
}
