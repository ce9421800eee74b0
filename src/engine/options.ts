import { randomInt } from "node:crypto";
import { type BundleSummary, type GenerateOptions, MOST_SAMPLES } from "./contract.js";
import { samplesOf } from "./samples.js";

/** Options as a client may leave them. */
export type OpenOptions = Omit<GenerateOptions, "seed" | "bestOf"> & { seed?: number | undefined; bestOf?: number | undefined };

type Defaults = Pick<BundleSummary, "defaults">;

/** The options with all that a request's cost and its text depend on; a seed that was not sent is drawn, and told in the reply. */
export function completeOptions(options: OpenOptions, bundle: Defaults, most = MOST_SAMPLES): GenerateOptions {
  return { ...options, bestOf: samplesOf(options, bundle, most), seed: options.seed ?? randomInt(2 ** 32) };
}
