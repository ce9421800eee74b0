import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import type { Handler, Request, Response } from "express";
import { TdiError } from "../errors.js";
import { projectPath } from "../project.js";
import { pagePolicy } from "./headers.js";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

interface Asset {
  type: string;
  plain: Buffer;
  gzip: Buffer;
  /** Quoted, as the ETag header has it. */
  tag: string;
}

/** The built pages (scripts/web.mjs), read once: about two megabytes, and no path of a request ever reaches the disk. */
function readAssets(): Map<string, Asset> {
  const folder = projectPath("dist/pages/");
  const assets = new Map<string, Asset>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (!type) continue;
    const plain = readFileSync(folder + name);
    const tag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
    assets.set(name, { type, plain, gzip: readFileSync(`${folder + name}.gz`), tag });
  }
  return assets;
}

/** Revalidated on each load by its content's digest: a new server version is never mixed with an old page. */
function send(req: Request, res: Response, { type, plain, gzip, tag }: Asset): void {
  res.set({ "content-type": type, "cache-control": "no-cache", etag: tag });
  res.vary("accept-encoding");
  // Not by express, to which a request's Cache-Control: no-cache (sent by fetch) means that it wants the file whatever its tag.
  if (req.get("if-none-match")?.split(/\s*,\s*/).includes(tag)) res.status(304).end();
  else if (req.acceptsEncodings("gzip")) res.set("content-encoding", "gzip").send(gzip);
  else res.send(plain);
}

export interface Pages {
  /** GET of a page by its file name. */
  page(name: string): Handler;
  /** GET /assets/:name. */
  asset: Handler;
}

/** Handlers of the playground, the API reference and what they load. @throws Error when the pages are not built */
export function createPages(): Pages {
  const assets = readAssets();
  const policy = pagePolicy();
  return {
    page(name) {
      const asset = assets.get(name);
      if (!asset) throw new Error(`dist/pages/${name} is missing; build the project.`);
      return (req, res, next) => policy(req, res, (error) => (error ? next(error) : send(req, res, asset)));
    },
    asset(req, res) {
      const asset = assets.get(String(req.params["name"]));
      if (!asset || asset.type.startsWith("text/html")) throw new TdiError("not_found", "There is no such path.");
      send(req, res, asset);
    },
  };
}
