import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseConfig, type Config } from "../config.js";
import { BundleError, readBundle, readBundles, type BundleCard } from "../model/bundle.js";
import { CliError, EXIT, usage } from "./exit.js";
import type { Context } from "./main.js";
import { pull } from "./pull.js";

const HELP = `Usage: tdi bundle <action> [options]

  inspect <folder>      what a bundle is: task, model, defaults, limits, files, scores
  verify <folder>       that every file of a bundle, or of all bundles of a models folder, is whole and unaltered
  pull <source>         copy a bundle into the models folder, every file checked

A source is a folder, the http address of a bundle (with --sha256), or a hub id: owner/model or owner/model/folder.

  --into <folder>       the models folder; default: TDI_MODELS_DIR, else that of this package
  --name <name>         folder of the pulled bundle there; default: the bundle's name
  --sha256 <digest>     of the source's bundle.json, which holds the digests of all other files
  --revision <name>     branch, tag or commit of a hub id; default main
  --json                a JSON object instead of lines
  -h, --help            this text

HF_ENDPOINT is the hub's address, https://huggingface.co by default.
Exit codes: 0 done, 1 a bundle is not whole, 2 wrong command line, 3 no answer, 130 interrupted.`;

const OPTIONS = {
  into: { type: "string" },
  name: { type: "string" },
  sha256: { type: "string" },
  revision: { type: "string", default: "main" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

/** `tdi bundle inspect|verify|pull`. */
export async function bundleCommand({ args, env, signal }: Context): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true, strict: true });
  if (values.help) {
    console.log(HELP);
    return EXIT.ok;
  }
  const [action, place, ...more] = positionals;
  if (!action || !["inspect", "verify", "pull"].includes(action)) throw usage("Say inspect, verify or pull.");
  if (place === undefined || more.length > 0) throw usage(`${action} takes one ${action === "pull" ? "source" : "folder"}.`);
  try {
    if (action === "inspect") return inspect(await readBundle(resolve(place)).then(({ card }) => card), values.json);
    if (action === "verify") return await verify(place, values.json);
    const into = values.into ?? (parseConfig([], env) as Config).modelsDir;
    const hub = env["HF_ENDPOINT"] || "https://huggingface.co";
    const { folder, card } = await pull(place, { ...values, into, hub, signal, say: (message) => console.error(message) });
    console.log(values.json ? JSON.stringify({ folder, model: card.name, task: card.task, revision: card.revision }) : folder);
    return EXIT.ok;
  } catch (error) {
    if (error instanceof BundleError) throw new CliError(`${error.message}.`, EXIT.failed);
    throw error;
  }
}

function inspect(card: BundleCard, json: boolean): number {
  if (json) {
    console.log(JSON.stringify(card));
    return EXIT.ok;
  }
  const { defaults, limits, model } = card;
  const rows = [
    ["name", card.name],
    ["task", card.task],
    ["revision", card.revision],
    ["language", card.language],
    ["licence", card.licence],
    ["precision", card.precision],
    ["denoiser", `hidden ${model.hidden}, ${model.layers} layers, ${model.heads} heads`],
    ["defaults", `${defaults.steps} steps, ${defaults.solver} on the ${defaults.grid.name} grid, guidance ${defaults.guidance}`],
    ["limits", `${limits.source_tokens} source tokens, canvases ${limits.canvases.join(", ")}, ${limits.max_steps} steps`],
    ...Object.entries(card.files).map(([role, file]) => [role, `${file.path}, ${(file.bytes / 1e6).toFixed(1)} MB, sha256 ${file.sha256}`]),
    ["scores", JSON.stringify(card.scores)],
  ];
  console.log(rows.map(([name, value]) => `${name!.padEnd(10)} ${value}`).join("\n"));
  return EXIT.ok;
}

async function verify(place: string, json: boolean): Promise<number> {
  const bundles = existsSync(join(place, "bundle.json")) ? [await readBundle(resolve(place))] : await readBundles(place);
  const checked = bundles.map(({ card }) => ({ model: card.name, task: card.task, files: Object.keys(card.files).length }));
  console.log(json ? JSON.stringify(checked) : checked.map(({ model, task, files }) => `${model} (${task}): ${files} files are whole and unaltered`).join("\n"));
  return EXIT.ok;
}
