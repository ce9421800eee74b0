import type { GenerateReply } from "../src/client/types.js";

const STAGES = ["queue", "conditioning", "denoising", "decoding"] as const;
const MEANINGS: Record<(typeof STAGES)[number], string> = {
  queue: "waiting for a free row",
  conditioning: "reading your text",
  denoising: "all steps",
  decoding: "latents to words",
};

function shown(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

interface Props {
  reply: GenerateReply;
  keepSeed: (seed: number) => void;
  /** The form has this seed already. */
  kept: boolean;
}

export function Timings({ reply, keepSeed, kept }: Props) {
  const { timings_ms: timings, used, model, results } = reply;
  const sum = STAGES.reduce((total, stage) => total + timings[stage], 0) || 1;
  const { usage } = results[0]!;
  return (
    <section class="panel" aria-labelledby="timings-title">
      <h2 id="timings-title">{`Done in ${shown(timings.total)}`}</h2>
      <div class="bar" aria-hidden="true">
        {STAGES.map((stage) => (
          <span key={stage} class={stage} style={{ width: `${(100 * timings[stage]) / sum}%` }} />
        ))}
      </div>
      <dl class="timings">
        {STAGES.map((stage) => (
          <div key={stage}>
            <dt>
              <span class={`key ${stage}`} aria-hidden="true" />
              {stage}
            </dt>
            <dd>
              {shown(timings[stage])} <small>{MEANINGS[stage]}</small>
            </dd>
          </div>
        ))}
      </dl>
      <p class="used">
        {`${model} · ${used.steps} steps · ${used.solver} on the ${used.grid} grid · ${used.clamp_steps} clamped · guidance ${used.guidance} · novelty ${used.novelty} · best of ${used.best_of} by ${used.ranking} · ${usage.revisions} revisions, ${used.revisions} a candidate at most · ${usage.source_tokens} tokens read · ${usage.canvas} places · seed ${used.seed}`}{" "}
        <button type="button" class="chip" disabled={kept} onClick={() => keepSeed(used.seed)}>
          {kept ? "Seed kept" : "Keep the seed"}
        </button>
      </p>
    </section>
  );
}
