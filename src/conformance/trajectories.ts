import type { SolverName } from "../engine/contract.js";
import { times } from "../model/grid.js";
import { sampleRows } from "../model/sampler.js";
import { solverSteps } from "../model/solver.js";
import { compare, type Item, LIMITS } from "./report.js";
import type { Recorded } from "./safetensors.js";
import { conditionsOf, need, parts, type Subject, VectorsError } from "./subject.js";

/** Recorded name -> the solver it is here, and whether it must be recorded with guidance too. */
const TRAJECTORIES: Record<string, { solver: SolverName; guided: boolean }> = {
  euler_sde: { solver: "euler_sde", guided: true },
  euler_ode: { solver: "euler_ode", guided: false },
  ddpm: { solver: "ancestral", guided: false },
  ddim: { solver: "ddim", guided: true },
};

const quiet = { signal: new AbortController().signal, breathe: async () => undefined };

/** Whole trajectories on the recorded times and noise: every state, every prediction, and what is returned. */
export async function trajectoryItems(subject: Subject, vectors: Recorded, guidance: number): Promise<Item[]> {
  const items: Item[] = [];
  for (const [name, { solver, guided }] of Object.entries(TRAJECTORIES)) {
    items.push(...(await trajectory(subject, vectors, `sampler.${name}`, solver, 0)));
    if (guided || vectors.has(`sampler.${name}.guided.final`)) {
      items.push(...(await trajectory(subject, vectors, `sampler.${name}.guided`, solver, guidance)));
    }
  }
  return items;
}

async function trajectory(subject: Subject, vectors: Recorded, key: string, solver: SolverName, guidance: number): Promise<Item[]> {
  const cond = need(vectors, "cond", 3);
  const width = cond.dims[1]!;
  const conditions = await conditionsOf(subject, cond, need(vectors, "cond_mask", 2), width);
  const nulls = await conditionsOf(subject, need(vectors, "null_cond", 3), need(vectors, "null_mask", 2), width);
  const init = need(vectors, "init", 3);
  const noises = parts(need(vectors, "noises", 4));
  const [states, predictions, final] = [need(vectors, `${key}.x`, 4), need(vectors, `${key}.x0`, 4), need(vectors, `${key}.final`, 3)];
  const grid = [...need(vectors, "grid", 1).data];
  const steps = grid.length - 1;
  if (noises.length < steps || states.dims[0] !== steps) throw new VectorsError(`vectors.safetensors: ${key} does not have the ${steps} steps of the grid`);
  const plan = solverSteps(solver, grid, subject.schedule, subject.card.model.precondition);

  const size = init.data.length / init.dims[0]!;
  const found = { x: new Float32Array(states.data.length), x0: new Float32Array(states.data.length), final: new Float32Array(init.data.length) };
  for (const [row, condition] of conditions.entries()) {
    const place = (step: number) => step * init.data.length + row * size;
    const noise = (step: number) => (step === 0 ? init.data : noises[step - 1]!).subarray(row * size, (row + 1) * size);
    const rows = [{ condition, seed: 0, candidate: 0, recorded: { noise } }];
    const [last] = await sampleRows(subject.denoiser, subject.card.model, rows, init.dims[1]!, plan, guidance, nulls[row]!, quiet, (step, [x], [x0]) => {
      found.x.set(x!, place(step));
      found.x0.set(x0!, place(step));
    });
    found.final.set(last!, row * size);
  }
  // The last state is recorded with its noise, which is never returned: `final` stands for it.
  const before = (steps - 1) * init.data.length;
  const label = `${key.slice("sampler.".length).replace(".", ", ")}${guidance > 0 ? ` w = ${guidance}` : ""}, ${steps} steps:`;
  return [
    ...(steps > 1 ? [compare(`${label} states`, found.x.subarray(0, before), states.data.subarray(0, before), LIMITS.trajectory)] : []),
    compare(`${label} predictions`, found.x0, predictions.data, LIMITS.trajectory),
    compare(`${label} result`, found.final, final.data, LIMITS.trajectory),
  ];
}

/** How the recorded times compare with the server's linear grid; they are used as recorded in any case. */
export function gridNote(subject: Subject, vectors: Recorded): string {
  const grid = need(vectors, "grid", 1).data;
  const ours = times({ name: "linear" }, grid.length - 1, subject.schedule);
  const { absolute } = compare("", ours, grid, 0);
  return absolute < 1e-6 ? `the recorded times are the linear grid of ${grid.length - 1} steps` : "the recorded times are not the linear grid; they are used as recorded";
}
