import { randomInt } from "node:crypto";
import { type BundleSummary, type GenerateOptions, MOST_SAMPLES } from "./contract.js";

/** Options as a client may leave them. */
export type OpenOptions = Omit<GenerateOptions, "seed" | "bestOf"> & { seed?: number | undefined; bestOf?: number | undefined };

type Defaults = Pick<BundleSummary, "defaults">;

/**
 * Samples of each text: those asked for; else the bundle's default, or the candidates asked for where they are more.
 * @param most samples that a client may ask for; a default of more is lowered to it
 */
export function samplesOf({ numCandidates, bestOf }: Pick<OpenOptions, "numCandidates" | "bestOf">, { defaults }: Defaults, most = MOST_SAMPLES): number {
  return bestOf ?? Math.max(numCandidates, Math.min(defaults.best_of, most));
}

/** The options with all that a request's cost and its text depend on; a seed that was not sent is drawn, and told in the reply. */
export function completeOptions(options: OpenOptions, bundle: Defaults, most = MOST_SAMPLES): GenerateOptions {
  return { ...options, bestOf: samplesOf(options, bundle, most), seed: options.seed ?? randomInt(2 ** 32) };
}
