import { createHash, timingSafeEqual } from "node:crypto";

/** What a key may do: generate (the tasks, /batch and /info), or read the metrics. */
export const SCOPES = ["generate", "metrics"] as const;
export type Scope = (typeof SCOPES)[number];

export interface ApiKey {
  /** Tells keys apart in logs and limits; no secret. */
  name: string;
  /** SHA-256 of the key. Keys are long and random, so neither salt nor a slow hash would add anything. */
  digest: Buffer;
  scopes: ReadonlySet<Scope>;
}

const NAME = /^[\w.-]{1,64}$/;
const HASHED = /^sha256-([0-9a-f]{64})$/;
/** The characters of RFC 6750, section 2.1; shorter keys could be guessed. */
const PLAIN = /^[\w~.+/-]{20,256}=*$/;

/** A key or a line of keys that cannot be used; the message never holds any of it. */
export class KeyError extends Error {
  override readonly name = "KeyError";
}

/** SHA-256 of a key, as it is stored. */
export function digestOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

/**
 * One key written as `name:key` or `name:sha256-<64 hex digits>`, with `:scope+scope` behind it for other scopes than generate.
 * @param plain whether the key itself may stand there, not only its digest
 * @throws KeyError
 */
export function parseKey(entry: string, plain: boolean): ApiKey {
  const [name = "", secret = "", scopes = "generate", ...rest] = entry.split(":");
  if (!NAME.test(name)) throw new KeyError("a key begins with its name, 1 to 64 letters, digits or _ . -, and a colon");
  const hex = HASHED.exec(secret)?.[1];
  if (hex === undefined && !plain) throw new KeyError("a key file holds digests only, as name:sha256-<64 hex digits>; tdi key makes them");
  if (hex === undefined && (secret.startsWith("sha256-") || !PLAIN.test(secret))) throw new KeyError("a key is sha256- and 64 hex digits, or 20 to 256 letters, digits or _ ~ . + / -");
  const names = scopes.split("+");
  if (rest.length > 0 || !names.every((scope): scope is Scope => (SCOPES as readonly string[]).includes(scope))) throw new KeyError(`scopes are ${SCOPES.join(" and ")}, joined with +`);
  return { name, digest: hex === undefined ? digestOf(secret) : Buffer.from(hex, "hex"), scopes: new Set(names as Scope[]) };
}

/** Keys of an environment variable: separated by commas or white space. @throws KeyError */
export function parseKeys(text: string): ApiKey[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== "").map((entry) => parseKey(entry, true));
}

/** Keys of a file: one a line, blank lines and those that begin with # do not count. @throws KeyError, naming the line */
export function parseKeyFile(text: string): ApiKey[] {
  return text.split(/\r?\n/).flatMap((line, at) => {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) return [];
    try {
      return [parseKey(entry, false)];
    } catch (error) {
      throw new KeyError(`line ${at + 1}: ${(error as Error).message}`);
    }
  });
}

/** The key that was presented, if it is one of these. Every key is compared, each in constant time: how long it takes tells nothing. */
export function findKey(keys: readonly ApiKey[], presented: string): ApiKey | undefined {
  const digest = digestOf(presented);
  let found: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(key.digest, digest)) found = key;
  return found;
}
