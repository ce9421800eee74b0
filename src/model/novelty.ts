import { MOST_NOVELTY } from "../engine/contract.js";
import type { SolverStep } from "./solver.js";

/**
 * What samples of one text get, in units of the request's novelty, which the first of them has. The first ones are spread, so that there
 * is something to choose from; where the best of them is a copy the rest goes further, and where it has another fault the rest stays nearer.
 */
const LEADS = { apart: [1, 2, 0.5, 1.5], further: [2, 2.5, 1.75, 2.25], nearer: [0, 0.5, 1, 0.25] } as const;
/** Novelty where the best of them says something else: below 0 the share of the source in the mean grows, so that these samples keep what it says, and some of them are copies of it. */
const BACK = [-0.5, -2, -1, 0] as const;
export type Lead = keyof typeof LEADS | "back";

/** Novelty of the i-th of the samples that are drawn together. */
export function noveltyOf(novelty: number, lead: Lead, i: number): number {
  if (lead === "back") return BACK[i % BACK.length]!;
  const factors = LEADS[lead];
  return Math.min(MOST_NOVELTY, novelty * factors[i % factors.length]!);
}

/**
 * The steps of a row that is led away from its source's wording. A prediction of x0 is a mean of the texts that may come out (arXiv 2006.11239), and
 * for a paraphrase one of them is the source itself, whose latents z are known. Taking the share `novelty` of z out of that mean,
 * x0 <- (x0 - novelty z) / (1 - novelty), leaves the mean of the others; the solver's update stays linear in x, x0 and z. The last
 * step, whose prediction is read, is left alone. Self-conditioning sees predictions as the network made them.
 * @param novelty up to MOST_NOVELTY; 0 is off, below it a row is led to its source's wording
 */
export function ledAway(plan: readonly SolverStep[], novelty: number): readonly SolverStep[] {
  if (novelty === 0) return plan;
  const rest = 1 - novelty;
  return plan.map((step, i) => {
    const c0 = i === plan.length - 1 ? step.c0 : step.c0 / rest;
    const cPrevious = step.cPrevious / rest;
    return { ...step, c0, cPrevious, cSource: step.c0 + step.cPrevious - c0 - cPrevious };
  });
}
