import { fork } from "node:child_process";
import { once } from "node:events";
import { readCards } from "../model/bundle.js";
import { PreparedGraphs } from "../model/prepared.js";
import type { Logger } from "../telemetry/logger.js";

export interface PrepareRequest {
  modelsDir: string;
  cacheDir: string;
}

/** How many graphs were written, or why it was given up. */
export type PrepareResult = { graphs: number } | { error: string };

const ENTRY = new URL("./prepare-process.js", import.meta.url);
/** Milliseconds that it may take; the engine processes wait for it. */
const PREPARE_MS = 120_000;

/**
 * Prepares the graphs of a models folder for the engine processes, where that has not been done yet, in a process of its own. Whatever
 * goes wrong is logged and no more: the engine processes then load the bundles as they are, which takes longer and more memory.
 * @param signal ends it
 */
export async function prepareGraphs(request: PrepareRequest, logger: Logger, signal: AbortSignal): Promise<void> {
  // What is wrong with a bundle the engine processes tell.
  const cards = await readCards(request.modelsDir).catch(() => []);
  if (await new PreparedGraphs(request.cacheDir).hasAll(cards)) return;
  const began = performance.now();
  logger.info({ folder: request.cacheDir }, "preparing the graphs for this processor, which is done once");
  const result = await inChild(request, signal);
  const seconds = Number(((performance.now() - began) / 1000).toFixed(2));
  if ("error" in result) logger.info({ reason: result.error }, "graphs not prepared: each engine process holds its own weights");
  else logger.info({ graphs: result.graphs, seconds }, "graphs prepared");
}

async function inChild(request: PrepareRequest, signal: AbortSignal): Promise<PrepareResult> {
  const child = fork(ENTRY, [], { execArgv: [], stdio: ["ignore", 2, 2, "ipc"], env: { ...process.env, TDI_API_KEYS: undefined, ORT_DISABLE_TELEMETRY: "1" } });
  let result: PrepareResult | undefined;
  child.on("message", (message) => (result = message as PrepareResult));
  const end = () => child.kill("SIGKILL");
  const timer = setTimeout(end, PREPARE_MS);
  signal.addEventListener("abort", end);
  const gone = Promise.all([once(child, "exit"), once(child, "disconnect")]);
  child.send(request, () => undefined);
  const [[code, by]] = await gone;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
  // The runtime may end the process, as may the time that it has.
  if (result === undefined && child.pid !== undefined) await new PreparedGraphs(request.cacheDir).removeUnfinished(child.pid);
  return result ?? { error: `the process ended without a result (${by === null ? `exit code ${code}` : `signal ${by}`})` };
}
