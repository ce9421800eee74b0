import type { Blanks } from "./blanks.js";
import { bleuTokens, sentenceBleu } from "./bleu.js";
import type { BundleCard } from "./bundle.js";
import { ordered, rank } from "./candidates.js";
import type { Criticism } from "./critic.js";
import { rewritten } from "./decoder.js";
import type { DiffusionPart, DiffusionRow } from "./diffusion-row.js";
import type { Inflector } from "./inflector.js";
import { LOOKED_AT } from "./looked-at.js";
import { areOpposites } from "./opposites.js";
import { AMONG_REWORDINGS, AMONG_VERSIONS, asked, type Weights } from "./quality.js";
import { withoutRepeats } from "./repeats.js";
import { draftsOf, LEAST_SLIPS, type Read, rewordingsOf, type Version, versionsOf } from "./revision.js";
import type { SampleReader } from "./sample-reader.js";

/** One of more sentence BLEU against its source is reworded. */
const MOST_LIKENESS = 0.3;
/** Versions of a sample that are looked at, and rewordings (training/RUNS.md, thirteenth and fourteenth round). */
const VERSIONS = 8;
const REWORDINGS = 16;
/** Of them, those that the likelihood of the words chooses from. */
const WEIGHED = 4;
/** Against the similarity, of a nat by which what is in its blank is likelier than what was, and how many nats count at most. */
const GAIN = 0.05;
const MOST_GAIN = 4;

/**
 * By how many nats what a rewording of a question puts in may be less likely than what was, where a critic minds the meaning. Elsewhere it must be likelier: of statements
 * the critic has seen few, and a copy that is marked as one is better than "I can not often eat meat." for "I do not eat meat.".
 */
const LEAST_GAIN = -3;
/** Logits of the critic up to which a place of a rewording is above suspicion. */
const UNSUSPECTED = -1.5;

/** Nats by which a paraphrase's words are unlikely in the mean from which on it is mostly broken, and its source is reworded in its place (eighteenth round). */
const MOST_UNLIKELY = 0.7;
/** Logits by which the critic prefers a source itself to any rewording of it. */
const TO_A_COPY = 0.5;

/** What takes a sample's place. */
type Made = Pick<DiffusionRow, "decoded" | "estimate" | "spelled">;
type Revision = "mend" | "reword" | "restart" | "inflect";

/** True where there is a critic, and the source is a question, as what it has learned on. */
function isAtHome({ part, estimate }: DiffusionRow): boolean {
  return estimate!.criticism !== undefined && asked(part.source.text) > 0;
}

/** True where the critic, if there is one, thinks no less of a rewording, whole and by its worst place, and the judge finds no more slips that count. */
function keepsMeaning({ estimate: now }: DiffusionRow, { estimate: was, spelled }: DiffusionRow): boolean {
  const [mine, other] = [now!.criticism, was!.criticism];
  if (mine === undefined || other === undefined) return true;
  const worst = ({ doubts }: Criticism) => Math.max(...doubts.subarray(1, -1));
  const least = other.score - (spelled?.candidate.is_copy ? TO_A_COPY : 0);
  return mine.score >= least && worst(mine) <= Math.max(worst(other), UNSUSPECTED) && now!.slips <= Math.max(was!.slips, LEAST_SLIPS);
}

/**
 * Mends and rewords samples. A sampler that writes all places at once leaves slips behind ("What is the nuclear membrane do?"), which drawing more samples seldom
 * mends and which a judge can point at. Around such places drafts are made of the text with a blank (revision.ts), which an infiller fills in; the best
 * of the likeliest versions takes the sample's place. One word given all the others is an easier question than all words at once. A paraphrase that
 * reads well and repeats its source is reworded likewise, at the places where it does. Where its words are still unlikely after that, it is the source that is reworded:
 * of a long or unusual question every sample may be broken, and the question with a few other words is better than that.
 */
export class Reviser {
  readonly #special: ReadonlySet<number>;

  constructor(
    private readonly card: BundleCard,
    private readonly reader: SampleReader,
    private readonly blanks: Blanks | undefined,
    private readonly inflector: Inflector | undefined,
  ) {
    this.#special = new Set(card.tokens.special);
  }

  /** True where a bundle has what it takes. */
  get able(): boolean {
    return this.blanks !== undefined && this.reader.tellsPlaces;
  }

  /**
   * Revises once one of the candidates that will be returned, the first of them first.
   * @returns the sample where that changed it; whether there may be more to do
   */
  async revise(part: DiffusionPart): Promise<{ changed?: DiffusionRow; again: boolean }> {
    const { used } = part;
    if (used.revisions === 0) return { again: false };
    const sampled = this.reader.samples(part.rows).map(({ candidate }) => candidate);
    const due = new Map(part.rows.map((row) => [row, this.#due(row)]));
    // Where there is nothing to do, nothing needs to be ranked.
    if (![...due.values()].some(Boolean)) return { again: false };
    const returned = rank(sampled, this.card.task, this.reader.appraise(part, part.rows, sampled)).slice(0, used.num_candidates).map(({ index }) => part.rows[index]!);
    const row = returned.find((each) => due.get(each) !== undefined);
    if (row === undefined) return { again: false };
    const kind = due.get(row)!;
    if (kind === "inflect" || kind === "restart") {
      row.settled.add(kind);
      const made = kind === "inflect" ? await this.inflector!.inflected(row) : await this.#fromSource(part, row);
      if (made) Object.assign(row, made);
      // What turned out to be its source with a slip is reworded once more, as a copy.
      if (kind === "inflect" && made?.spelled?.candidate.is_copy) {
        row.settled.delete("reword");
        row.revisions = Math.min(row.revisions, used.revisions - 1);
      }
      return { again: true, ...(made && { changed: row }) };
    }
    row.revisions += 1;
    const best = await this.#bestVersion(part, row, kind);
    if (best) Object.assign(row, best);
    // What no version betters now none will; where the critic knows too little one rewording is enough.
    if (best === undefined || (kind === "reword" && !isAtHome(row))) row.settled.add(kind);
    return { again: true, ...(best && { changed: row }) };
  }

  /** What is to be done about a sample, if anything. */
  #due(row: DiffusionRow): Revision | undefined {
    const { part, estimate, spelled, revisions, settled } = row;
    const left = revisions < part.used.revisions;
    if (left && estimate!.slips > LEAST_SLIPS && !settled.has("mend")) return "mend";
    const alike = () => sentenceBleu(bleuTokens(spelled!.candidate.text), bleuTokens(part.source.text)) > MOST_LIKENESS;
    if (this.card.task !== "paraphrase") return undefined;
    if (left && !settled.has("reword") && alike()) return "reword";
    if (spelled!.candidate.is_copy) return undefined;
    // One of a text's: another would come to the same.
    if (part.rows.every((other) => !other.settled.has("restart")) && isAtHome(row) && (estimate!.unlikely ?? 0) > MOST_UNLIKELY) return "restart";
    return settled.has("inflect") ? undefined : "inflect";
  }

  /** What the source itself comes to, reworded as often as may be revised, where it is better than a sample so. */
  async #fromSource(part: DiffusionPart, row: DiffusionRow): Promise<Made | undefined> {
    const words = row.condition.ids.slice(1, -1).map((id) => ({ id, confidence: 1 }));
    const decoded = rewritten({ ...row.decoded!, ended: true, markAdded: false }, words, part.source.canvas, this.card.tokens);
    if (decoded === undefined) return undefined;
    const made: DiffusionRow = { ...row, decoded, spelled: undefined };
    await this.reader.estimate([made]);
    await this.reader.weigh([made]);
    for (let reworded = 0; reworded < part.used.revisions; reworded += 1) {
      this.reader.samples([made]);
      const best = await this.#bestVersion(part, made, "reword");
      if (best === undefined) break;
      Object.assign(made, best);
    }
    const rows = [made, row];
    const sampled = this.reader.samples(rows).map(({ candidate }) => candidate);
    const [first] = ordered(sampled, this.card.task, this.reader.appraise(part, rows, sampled));
    return first === 0 ? { decoded: made.decoded!, estimate: made.estimate!, spelled: made.spelled } : undefined;
  }

  /** What the best version of a sample comes to, beside all others of its text; undefined where that is the sample itself. */
  async #bestVersion(part: DiffusionPart, row: DiffusionRow, kind: "mend" | "reword"): Promise<Made | undefined> {
    const found = await this.#versions(row, kind);
    if (found.length === 0) return undefined;
    part.revisions += 1;
    // As long as the longest of them, not as the canvas: it is always these that are encoded together.
    const longest = Math.max(...found.map(({ tokens }) => tokens.length));
    const made = found.map(({ tokens }): DiffusionRow => ({ ...row, decoded: rewritten(row.decoded!, tokens.slice(1, -1), longest, this.card.tokens)!, spelled: undefined }));
    await this.reader.estimate(made);
    const kept = [...made.keys()].filter((i) => kind === "mend" || keepsMeaning(made[i]!, row));
    const gainOf = new Map(kept.map((i) => [made[i]!, Math.max(-MOST_GAIN, Math.min(MOST_GAIN, found[i]!.gain))]));
    const weights = kind === "mend" ? AMONG_VERSIONS : AMONG_REWORDINGS;
    const inOrder = (versions: readonly DiffusionRow[], by: Weights) => {
      const rows = [...versions, ...part.rows.filter((other) => other !== row)];
      const sampled = this.reader.samples(rows).map(({ candidate }) => candidate);
      const appraised = this.reader.appraise(part, rows, sampled, by);
      const judged = versions.map((version, i) => ({ ...appraised[i]!, version, merit: appraised[i]!.merit + GAIN * (gainOf.get(version) ?? 0) }));
      return ordered(sampled.slice(0, versions.length), this.card.task, judged).map((i) => judged[i]!);
    };
    // How likely the words of a version are takes four drafts more, each encoded and filled in: only of those that may be chosen.
    const likeliest = inOrder([...gainOf.keys()], { ...weights, unlikely: 0 }).slice(0, WEIGHED).map(({ version }) => version);
    await this.reader.weigh(likeliest);
    const [best, ...others] = inOrder([row, ...likeliest], weights);
    // A copy comes last whatever its merit, but not every other word is better than the source's: "I do not eat fish." for "I do not eat meat.".
    if (best!.version === row || (kind === "reword" && best!.merit <= others.find(({ version }) => version === row)!.merit)) return undefined;
    const { decoded, estimate, spelled } = best!.version;
    return { decoded, estimate, spelled };
  }

  async #versions(row: DiffusionRow, kind: "mend" | "reword"): Promise<Version[]> {
    const { part, estimate, condition } = row;
    const { unk, mask = unk } = this.card.tokens;
    const { doubts } = estimate!;
    const longest = Math.min(part.source.canvas, LOOKED_AT);
    const text = this.blanks!.text(row);
    if (text === undefined || doubts?.length !== text.length) return [];
    const drafts = kind === "mend" ? draftsOf(text, doubts, longest) : rewordingsOf(text, condition.ids);
    if (drafts.length === 0) return [];
    const fillings = await this.blanks!.fill(drafts, condition);
    // A word said twice in a row would be merged in a sample; here it is none the better for it.
    const repeats = ({ tokens }: Version) => withoutRepeats(tokens.map(({ id }) => id), condition.ids, this.#special).length < tokens.length;
    // Nor a piece of a word that makes none of it.
    const strange = (tokens: readonly Read[]) => this.reader.strangeWords(tokens.slice(1, -1).map(({ id }) => id), condition.ids);
    const most = strange(text);
    // Other words, not fewer. Less likely ones than the source's more often mean something else.
    const least = isAtHome(row) ? LEAST_GAIN : 0;
    const fits = ({ tokens, gain }: Version) => (kind === "mend" ? tokens.length <= longest : tokens.length === text.length && gain > least);
    // Judge, critic and infiller may all like it ("after a marathon" for "before a marathon").
    const turned = ({ tokens }: Version) => kind === "reword" && tokens.some(({ id }, i) => id !== text[i]!.id && areOpposites(...(this.reader.spell([text[i]!.id, id]) as [string, string])));
    const line = (tokens: readonly Read[]) => tokens.map(({ id }) => id).join(" ");
    const found = new Map<string, Version>();
    for (const version of versionsOf(text, drafts, fillings, mask)) {
      if (!fits(version) || turned(version) || repeats(version) || strange(version.tokens) > most) continue;
      // As a sample is, when it is read: what is left of a broken word may be like one of the source's now.
      const whole = { ...version, tokens: [text[0]!, ...this.reader.whole(version.tokens.slice(1, -1), condition), text.at(-1)!] };
      const key = line(whole.tokens);
      if (fits(whole) && key !== line(text) && !found.has(key)) found.set(key, whole);
      if (found.size === (kind === "mend" ? VERSIONS : REWORDINGS)) break;
    }
    return [...found.values()];
  }
}
