import { MOST_SAMPLES } from "./contract.js";

/**
 * Samples of each text: those asked for; else the bundle's default, or the candidates asked for where they are more.
 * @param most samples that a client may ask for; a default of more is lowered to it
 */
export function samplesOf({ numCandidates, bestOf }: { numCandidates: number; bestOf?: number | undefined }, { defaults }: { defaults: { best_of: number } }, most = MOST_SAMPLES): number {
  return bestOf ?? Math.max(numCandidates, Math.min(defaults.best_of, most));
}
