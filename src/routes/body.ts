import { isUtf8 } from "node:buffer";
import express, { type Handler } from "express";
import { TdiError } from "../errors.js";
import { parseJson } from "./json.js";

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i;

/**
 * Reads a JSON body into `req.body`. Stricter than express.json: an empty body, another charset and bytes that are not
 * UTF-8 are errors, not an empty object or replacement characters in somebody's text.
 * @param maxBytes most bytes of the body, after decompression
 * @param maxDepth most arrays and objects in each other
 */
export function readJson(maxBytes: number, maxDepth: number): Handler[] {
  return [
    (req, _res, next) => {
      if (!JSON_TYPE.test(req.get("content-type") ?? "")) {
        throw new TdiError("unsupported_media_type", "Send the body as application/json in UTF-8.");
      }
      next();
    },
    express.raw({ type: () => true, limit: maxBytes }),
    (req, _res, next) => {
      req.body = parseBody(req.body, maxDepth);
      next();
    },
  ];
}

function parseBody(body: unknown, maxDepth: number): unknown {
  if (!Buffer.isBuffer(body) || body.length === 0) throw new TdiError("malformed_json", "The body is empty.");
  if (!isUtf8(body)) throw new TdiError("malformed_json", "The body is not valid UTF-8.");
  return parseJson(body.toString("utf8"), maxDepth, "The body");
}
