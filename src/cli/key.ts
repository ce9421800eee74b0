import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { digestOf, parseKey, SCOPES } from "../access/keys.js";
import { EXIT, usage } from "./exit.js";
import type { Context } from "./main.js";

const HELP = `Usage: tdi key <name> [--scope ${SCOPES.join("|")} ...]

Makes an API key. The key itself goes to standard output, once; the line for the server's key file (--api-keys-file), which holds
only its digest, to standard error.

  --scope <scope>   what it may do, more than once for both; default generate
  -h, --help        this text`;

/** Bytes of a key: as many as its digest has. */
const KEY_BYTES = 32;

/** `tdi key`. */
export async function keyCommand({ args }: Context): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { scope: { type: "string", multiple: true }, help: { type: "boolean", short: "h" } }, allowPositionals: true, strict: true });
  if (values.help) {
    console.log(HELP);
    return EXIT.ok;
  }
  if (positionals.length !== 1) throw usage("Give the key one name.");
  const key = `tdi_${randomBytes(KEY_BYTES).toString("base64url")}`;
  const line = `${positionals[0]}:sha256-${digestOf(key).toString("hex")}${values.scope ? `:${values.scope.join("+")}` : ""}`;
  try {
    parseKey(line, false);
  } catch (error) {
    throw usage(`${(error as Error).message}.`);
  }
  console.log(key);
  console.error(line);
  return EXIT.ok;
}
