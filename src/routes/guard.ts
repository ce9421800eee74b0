import type { Handler, Request } from "express";
import { clientOfAddress } from "../access/address.js";
import type { KeyRing } from "../access/key-ring.js";
import type { Scope } from "../access/keys.js";
import type { Rates } from "../access/rates.js";
import { TdiError } from "../errors.js";
import { contextOf } from "./context.js";

/** The paths that are read without a key. Everything that is not listed here needs one, as soon as there are any. */
export const PUBLIC_PATHS: readonly string[] = ["/", "/docs", "/openapi.yaml", "/health/live", "/health/ready"];
/** What the pages load. */
const PUBLIC_ASSET = /^\/assets\/[^/]+$/;

/** The paths that a key for generation does not open. */
const SCOPES: Readonly<Record<string, Scope>> = { "/metrics": "metrics" };

const BEARER = /^bearer +([\w~.+/-]+=*) *$/i;

/**
 * Before every route: who asks, whether they may, and how often. The body has not been read yet, so a refusal costs little.
 * @param keys undefined where no keys are configured: then everybody may, and clients are told apart by their addresses
 */
export function guard(keys: KeyRing | undefined, rates: Rates): Handler {
  return async (req, res, next) => {
    if (isPublic(req)) return next();
    const context = contextOf(res);
    if (keys) {
      context.key = admit(keys, req);
      context.client = `key ${context.key}`;
    } else {
      context.client = clientOfAddress(req.ip ?? "");
    }
    await rates.countRequest(context.client);
    next();
  };
}

function isPublic({ method, path }: Request): boolean {
  // A browser asks for permission (CORS) without any credentials.
  if (method === "OPTIONS") return true;
  return (method === "GET" || method === "HEAD") && (PUBLIC_PATHS.includes(path) || PUBLIC_ASSET.test(path));
}

/** Name of the request's key. @throws TdiError unauthorized, forbidden */
function admit(keys: KeyRing, req: Request): string {
  const header = req.get("authorization");
  if (header === undefined) throw new TdiError("unauthorized", "Send an API key as Authorization: Bearer <key>.");
  const presented = BEARER.exec(header)?.[1];
  const key = presented === undefined ? undefined : keys.find(presented);
  if (!key) throw new TdiError("unauthorized", "This is not a key of this server.");
  const scope = SCOPES[req.path] ?? "generate";
  if (!key.scopes.has(scope)) throw new TdiError("forbidden", `This key may not do this: it lacks the scope ${scope}.`);
  return key.name;
}
