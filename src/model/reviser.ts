import type { Conditioner } from "../conditioning/condition.js";
import type { BundleCard } from "./bundle.js";
import { rank } from "./candidates.js";
import type { DiffusionPart, DiffusionRow } from "./diffusion-row.js";
import { times } from "./grid.js";
import { AMONG_VERSIONS } from "./quality.js";
import { type Draft, draftsOf, isBlanked } from "./revision.js";
import type { SampleReader } from "./sample-reader.js";
import { noiseSchedule } from "./schedule.js";
import { type SolverStep, solverSteps } from "./solver.js";

/** A sample that reads by more logits worse than its source is revised. */
const LEAST_SLIPS = 0.3;
/** Noise that a draft is put in, and steps out of it (training/RUNS.md, twelfth round). */
const LOG_SNR = { from: -3, to: 4 };
const STEPS = 1;

/** A sample under revision. */
export interface Revision {
  readonly of: DiffusionRow;
  readonly drafts: readonly DiffusionRow[];
}

/**
 * Mends samples. A sampler that writes all places at once leaves slips behind ("What is the nuclear membrane do?"), which drawing more samples seldom
 * mends and which a judge can point at. Around such places drafts are made of the text (revision.ts), put in noise, and denoised: a blank's latents are
 * filled in from those beside it and from the source, as in inpainting (RePaint, arXiv 2201.09865); the other tokens stay. The best draft takes the sample's place.
 */
export class Reviser {
  readonly #plan: readonly SolverStep[];
  readonly #share: number;

  constructor(
    private readonly card: BundleCard,
    private readonly conditioner: Conditioner,
    private readonly reader: SampleReader,
  ) {
    const { schedule, model } = card;
    const noise = noiseSchedule(schedule.name, schedule.d);
    const grid = times({ name: "logsnr", log_snr_min: LOG_SNR.from, log_snr_max: LOG_SNR.to }, STEPS, noise);
    this.#plan = solverSteps("renoise", grid, noise, model.precondition);
    this.#share = noise.alpha(grid[0]!);
  }

  /** Ends the revision under way, if any: the sample becomes the best of itself and its drafts, beside all others of its text. Returns the sample where that changed it. */
  settle(part: DiffusionPart): DiffusionRow | undefined {
    if (part.revision === undefined) return undefined;
    const { of, drafts } = part.revision;
    part.revision = undefined;
    const versions = [of, ...drafts];
    const rows = [...versions, ...part.rows.filter((row) => row !== of)];
    const sampled = this.reader.samples(rows).map(({ candidate }) => candidate);
    const [best] = rank(sampled.slice(0, versions.length), this.card.task, this.reader.appraise(part, rows, sampled, AMONG_VERSIONS).slice(0, versions.length));
    const { decoded, estimate, spelled } = versions[best!.index]!;
    // Then the next revision, if there is one, draws other noise.
    if (best!.index === 0) return undefined;
    Object.assign(of, { decoded, estimate, spelled });
    return of;
  }

  /** Begins a revision where one of the candidates that will be returned reads badly. Returns the drafts to denoise; none when there is nothing to do. */
  async begin(part: DiffusionPart): Promise<readonly DiffusionRow[]> {
    const { used } = part;
    const due = (row: DiffusionRow) => row.estimate!.slips > LEAST_SLIPS && row.revisions < used.revisions;
    if (used.revisions === 0 || !part.rows.some(due)) return [];
    const sampled = this.reader.samples(part.rows).map(({ candidate }) => candidate);
    const [row] = rank(sampled, this.card.task, this.reader.appraise(part, part.rows, sampled))
      .slice(0, used.num_candidates)
      .map(({ index }) => part.rows[index]!)
      .filter(due);
    if (row === undefined) return [];
    row.revisions += 1;
    const drafts = await this.#draft(part, row);
    const blanked = drafts.filter(({ steps }) => steps > 0);
    // Without an end of its own a text has none.
    if (blanked.length === 0) return this.begin(part);
    part.revision = { of: row, drafts };
    part.revisions += 1;
    return blanked;
  }

  /** The drafts of a sample as rows: those with a blank are to be denoised, the others are what they are. */
  async #draft(part: DiffusionPart, row: DiffusionRow): Promise<DiffusionRow[]> {
    const { tokens, model } = this.card;
    const { ids, confidences, ended } = row.decoded!;
    const { doubts } = row.estimate!;
    const { canvas } = part.source;
    const text = [{ id: tokens.cls, confidence: 1 }, ...ids.map((id, i) => ({ id, confidence: confidences[i]! })), { id: tokens.sep, confidence: 1 }];
    if (!ended || doubts?.length !== text.length) return [];
    const drafts = draftsOf(text, doubts, canvas, part.used.best_of);
    if (drafts.length === 0) return [];
    const latents = await this.conditioner.latents(drafts.map((draft) => Array.from({ length: canvas }, (_, i) => (i < draft.length ? (draft[i]?.id ?? tokens.mask ?? tokens.unk) : tokens.pad))));
    return drafts.map((draft, i): DiffusionRow => {
      blank(latents[i]!, draft, model.hidden);
      const plan = isBlanked(draft) ? this.#plan : [];
      const candidate = part.used.best_of + part.drafted;
      part.drafted += 1;
      return { part, candidate, seed: part.used.seed, condition: row.condition, plan, guidance: row.guidance, clamped: [1, 0], shape: row.shape, weight: row.weight, steps: plan.length, done: 0, revisions: 0, silent: true, draft, start: { latents: latents[i]!, share: this.#share } };
    });
  }
}

/** A blank's latents are the mean of all, which is zero: what the mask in its place is encoded as says nothing of it. */
function blank(latents: Float32Array, draft: Draft, hidden: number): void {
  draft.forEach((token, place) => {
    if (token === undefined) latents.fill(0, place * hidden, (place + 1) * hidden);
  });
}
