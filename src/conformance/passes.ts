import { noiseSchedule } from "../model/schedule.js";
import { MASKED } from "../conditioning/condition.js";
import { sampleRows } from "../model/sampler.js";
import { floats, floatsOf } from "../model/session.js";
import { compare, type Item, LIMITS, verdict } from "./report.js";
import type { Recorded, RecordedTensor } from "./safetensors.js";
import { conditionsOf, need, normalise, parts, type Subject } from "./subject.js";

const quiet = { signal: new AbortController().signal, breathe: async () => undefined };

/**
 * mu = sqrt(alpha), std = sqrt(1 - alpha) and beta of tan-d, sqrt and cosine at the recorded times. `ownD` is the model's d:
 * a table of tan may have been recorded with it under the name of the default, tan9; the item says which d it was held to.
 */
export function scheduleItems(vectors: Recorded, ownD: number): Item[] {
  const t = need(vectors, "schedule.t", 1);
  const names = [...vectors.keys()].flatMap((key) => /^schedule\.(.+)\.mu$/.exec(key)?.[1] ?? []);
  for (const base of ["tan", "sqrt", "cosine"]) if (!names.some((name) => name.startsWith(base))) need(vectors, `schedule.${base}.mu`, 1);
  return names.sort().flatMap((name) => {
    const [, base = "", d = "1"] = /^([a-z]+)([\d.]*)$/.exec(name) ?? [];
    const candidates = base === "tan" && Number(d) !== ownD ? [Number(d), ownD] : [Number(d)];
    const found = candidates.map((value) => scheduleTables(vectors, t.data, name, base, value));
    return found.find((items) => items.every((item) => item.passed)) ?? found[0]!;
  });
}

function scheduleTables(vectors: Recorded, t: Float32Array, name: string, base: string, d: number): Item[] {
  const { alpha, beta } = noiseSchedule(base, d);
  const tables = { mu: (s: number) => Math.sqrt(alpha(s)), std: (s: number) => Math.sqrt(1 - alpha(s)), beta };
  const label = base === "tan" && name !== `tan${d}` ? `schedule ${name} (d = ${d})` : `schedule ${name}`;
  return Object.entries(tables).map(([kind, at]) =>
    compare(`${label} ${kind}`, Float32Array.from(t, at), need(vectors, `schedule.${name}.${kind}`, 1).data, LIMITS.pass),
  );
}

/** The normaliser, special tokens overwritten. */
export async function normaliserItems(subject: Subject, vectors: Recorded): Promise<Item[]> {
  const z = await normalise(subject, need(vectors, "normalise.hidden", 3), need(vectors, "normalise.ids", 2));
  return [compare("normalise, special tokens overwritten", z, need(vectors, "normalise.z", 3).data, LIMITS.pass)];
}

/** One pass of the denoiser per row, each at its own recorded t, as the server's sampler runs it. */
export async function denoiserItems(subject: Subject, vectors: Recorded, guidance: number): Promise<Item[]> {
  const cond = need(vectors, "cond", 3);
  const width = cond.dims[1]!;
  const sources = await conditionsOf(subject, cond, need(vectors, "cond_mask", 2), width);
  const nulls = await conditionsOf(subject, need(vectors, "null_cond", 3), need(vectors, "null_mask", 2), width);
  const states = need(vectors, "x_t", 3);
  const canvas = states.dims[1]!;
  const previous = parts(need(vectors, "self_cond", 3));
  const times = need(vectors, "t", 1).data;

  async function predict(conditions: typeof sources, selfCondition: boolean, weight: number): Promise<Float32Array> {
    const out = new Float32Array(states.data.length);
    for (const [row, x] of parts(states).entries()) {
      const plan = { t: times[row]!, cx: 0, c0: 1, cPrevious: 0, cNoise: 0, cSource: 0, cSkip: 0, cOut: 1 };
      const recorded = { noise: () => x, ...(selfCondition && { previous: previous[row]! }) };
      const rows = [{ condition: conditions[row]!, seed: 0, candidate: 0, recorded }];
      const [x0] = await sampleRows(subject.denoiser, subject.card.model, rows, canvas, [plan], weight, nulls[row]!, quiet);
      out.set(x0!, row * x.length);
    }
    return out;
  }

  const expect = async (name: string, key: string, ours: Promise<Float32Array>) => compare(name, await ours, need(vectors, key, 3).data, LIMITS.pass);
  return [
    await expect("denoiser, self-conditioned", "x0", predict(sources, true, 0)),
    await expect("denoiser, zero self-condition", "x0_zero_self_cond", predict(sources, false, 0)),
    await expect("denoiser, null condition", "x0_null", predict(nulls, true, 0)),
    await expect(`denoiser, guided (w = ${guidance})`, "x0_guided", predict(sources, true, guidance)),
  ];
}

/** Logits and ids of the decoder. The server's graph denormalises its input, so the recorded latents are normalised first. */
export async function decoderItems(subject: Subject, vectors: Recorded): Promise<Item[]> {
  const [mean, std] = [need(vectors, "stats.mean", 1).data, need(vectors, "stats.std", 1).data];
  const normalised = ({ dims, data }: RecordedTensor) =>
    floats(Float32Array.from(data, (value, i) => (value - mean[i % mean.length]!) / std[i % mean.length]!), ...dims);
  const mask = need(vectors, "cond_mask", 2);
  const outputs = await subject.decoder.run({
    x: normalised(need(vectors, "decoder.latents", 3)),
    states: normalised(need(vectors, "decoder.cond", 3)),
    bias: floats(mask.data.map((m) => (m === 1 ? 0 : MASKED)), ...mask.dims),
  });
  const ids = Array.from(outputs["ids"]!.data as BigInt64Array, Number);
  const recorded = need(vectors, "decoder.token_ids", 2).data;
  return [
    compare("decoder logits", floatsOf(outputs, "logits"), need(vectors, "decoder.logits", 3).data, LIMITS.decoder),
    verdict("decoder token ids", ids.length === recorded.length && ids.every((id, i) => id === recorded[i])),
  ];
}
