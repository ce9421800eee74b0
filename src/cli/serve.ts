import { run } from "../run.js";
import type { Context } from "./main.js";

/** `tdi serve`: the server itself, with its own flags. */
export async function serveCommand({ args, env }: Context): Promise<number> {
  await run(args, env);
  return Number(process.exitCode ?? 0);
}
