/** What the form holds, its share link and the request it stands for. No DOM, so it is tested in Node.js. */
import type { GenerateRequest, Grid, Ranking, Solver } from "../src/client/types.js";

export type Task = "paraphrase" | "summarize";

export const SOLVERS: readonly Solver[] = ["ddim", "dpmpp_2m", "euler_ode", "euler_sde", "ancestral", "renoise"];

export const GRIDS: readonly Grid[] = ["linear", "logsnr", "logit_normal"];
export const RANKINGS: readonly Ranking[] = ["mbr", "confidence", "quality"];

/** An empty string means: the server's or the model's default, or for the seed, drawn by the server. */
export interface Settings {
  task: Task;
  text: string;
  steps: string;
  guidance: string;
  novelty: string;
  revisions: string;
  solver: Solver | "";
  candidates: string;
  seed: string;
  maxWords: string;
  grid: Grid | "";
  clampSteps: string;
  bestOf: string;
  ranking: Ranking | "";
  canvas: string;
  truncation: "end" | "";
}

export const START: Settings = { task: "paraphrase", text: "", steps: "", guidance: "", novelty: "", revisions: "", solver: "", candidates: "3", seed: "", maxWords: "", grid: "", clampSteps: "", bestOf: "", ranking: "", canvas: "", truncation: "" };

/** Settings that few need; the page keeps them folded while all are as at the start. */
export const RARE = ["grid", "guidance", "clampSteps", "bestOf", "revisions", "ranking", "canvas", "truncation"] as const satisfies readonly (keyof Settings)[];

/** Names in the address; short, as links are pasted into chats. */
const KEYS: Record<keyof Settings, string> = {
  task: "task",
  text: "text",
  steps: "steps",
  guidance: "w",
  novelty: "novelty",
  revisions: "rev",
  solver: "solver",
  candidates: "n",
  seed: "seed",
  maxWords: "words",
  grid: "grid",
  clampSteps: "clamp",
  bestOf: "of",
  ranking: "rank",
  canvas: "canvas",
  truncation: "cut",
};

/** The part of the address after "#": it stays in the browser, so a shared text is in no server's log. */
export function toHash(settings: Settings): string {
  const params = new URLSearchParams();
  for (const key of Object.keys(KEYS) as (keyof Settings)[]) {
    if (settings[key] !== "" && settings[key] !== START[key]) params.set(KEYS[key], settings[key]);
  }
  return params.toString();
}

/** Settings of an address; what it does not name, or names wrongly, is as at the start. */
export function fromHash(hash: string): Settings {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const settings: Settings = { ...START };
  const read = (key: keyof Settings, good: RegExp): string => {
    const value = params.get(KEYS[key]);
    return value !== null && good.test(value) ? value : START[key];
  };
  settings.text = params.get(KEYS.text) ?? "";
  settings.task = read("task", /^(paraphrase|summarize)$/) as Task;
  const oneOf = (values: readonly string[]) => new RegExp(`^(${values.join("|")})$`);
  settings.solver = read("solver", oneOf(SOLVERS)) as Solver | "";
  settings.grid = read("grid", oneOf(GRIDS)) as Grid | "";
  settings.ranking = read("ranking", oneOf(RANKINGS)) as Ranking | "";
  settings.truncation = read("truncation", /^end$/) as "end" | "";
  for (const key of ["guidance", "novelty"] as const) settings[key] = read(key, /^\d{1,2}(\.\d{1,3})?$/);
  for (const key of ["steps", "candidates", "seed", "maxWords", "clampSteps", "bestOf", "revisions", "canvas"] as const) settings[key] = read(key, /^\d{1,10}$/);
  return settings;
}

/** The body of the request; what is left to the server is left out. */
export function toRequest(settings: Settings): GenerateRequest {
  const request: GenerateRequest = { text: settings.text.trim() };
  if (settings.candidates !== "1") request.num_candidates = Number(settings.candidates);
  if (settings.bestOf !== "") request.best_of = Number(settings.bestOf);
  if (settings.seed !== "") request.seed = Number(settings.seed);
  if (settings.steps !== "") request.steps = Number(settings.steps);
  if (settings.guidance !== "") request.guidance = Number(settings.guidance);
  if (settings.novelty !== "") request.novelty = Number(settings.novelty);
  if (settings.revisions !== "") request.revisions = Number(settings.revisions);
  if (settings.solver !== "") request.solver = settings.solver;
  if (settings.maxWords !== "") request.max_words = Number(settings.maxWords);
  if (settings.grid !== "") request.grid = settings.grid;
  if (settings.clampSteps !== "") request.clamp_steps = Number(settings.clampSteps);
  if (settings.ranking !== "") request.ranking = settings.ranking;
  if (settings.canvas !== "") request.canvas = Number(settings.canvas);
  if (settings.truncation !== "") request.truncation = settings.truncation;
  return request;
}
