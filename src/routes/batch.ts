import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import express, { type Handler } from "express";
import type { Rates } from "../access/rates.js";
import { TASKS, type GenerateRequest, type Task } from "../engine/contract.js";
import type { Engine } from "../engine/engine.js";
import { completeOptions } from "../engine/options.js";
import { TdiError, type ErrorCode } from "../errors.js";
import { mapOrdered } from "../ordered.js";
import type { Logger } from "../telemetry/logger.js";
import type { Metrics } from "../telemetry/metrics.js";
import { BatchLane } from "./batch-lane.js";
import { contextOf, type RequestContext } from "./context.js";
import { goneSignal, replyBody } from "./generate.js";
import { parseJson } from "./json.js";
import { logFailure, problemDocument, toTdiError } from "./problem.js";
import { bundleFor, checkAgainstBundle, createRequestParser, inClientTerms, type RequestLimits } from "./schema.js";

export const JSON_LINES = "application/jsonl";
const LINES_TYPE = /^application\/(?:jsonl|x-ndjson|ndjson)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i;

/** Errors that are over by themselves: a line waits, where a request is refused. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["queue_full", "client_over_share", "rate_limited"]);

interface BatchLimits extends RequestLimits {
  maxBatchBytes: number;
  batchLines: number;
  maxJsonDepth: number;
}

interface BatchParts {
  engine: Engine;
  rates: Rates;
  limits: BatchLimits;
  metrics: Metrics;
  logger: Logger;
}

interface Answer {
  line: number;
  id?: unknown;
  result?: unknown;
  error?: unknown;
}

/** Handlers of POST /batch: JSON lines in, for each a line out with its result or its own error, in order, as they are done. */
export function batchHandlers({ engine, rates, limits, metrics, logger }: BatchParts): Handler[] {
  const parse = createRequestParser(limits);
  const lane = new BatchLane(engine, limits.batchLines);

  /** Runs one line to its end; a full queue makes it wait. */
  async function generate(line: Record<string, unknown>, client: string, context: RequestContext, signal: AbortSignal): Promise<unknown> {
    const { task, ...body } = line;
    if (!(TASKS as readonly unknown[]).includes(task)) throw new TdiError("invalid_request", "1 field is at fault.", [{ field: "task", message: `must be one of ${TASKS.join(", ")}` }]);
    const request = parse(body);
    const bundle = bundleFor(engine.bundles, task as Task);
    checkAgainstBundle(request, bundle, limits);
    const job: GenerateRequest = { task: task as Task, texts: request.texts, options: completeOptions(request.options, bundle, limits.maxCandidates), client };
    let counted = false;
    for (;;) {
      const startedAt = performance.now();
      try {
        if (!counted) await rates.countRows(client, request.texts.length * job.options.bestOf);
        counted = true;
        return replyBody(context.id, await lane.run(signal, () => engine.submit(job, signal)), startedAt);
      } catch (error) {
        if (!(error instanceof TdiError)) throw error;
        if (!PASSING.has(error.code)) throw inClientTerms(error, request.single);
        await pause((error.retryAfterSeconds ?? 1) * 1000, undefined, { signal });
      }
    }
  }

  async function answer(text: string, line: number, client: string, context: RequestContext, signal: AbortSignal): Promise<Answer> {
    let id: unknown;
    let task = "";
    try {
      const { id: own, ...body } = parseLine(text, limits.maxJsonDepth);
      id = own;
      if ((TASKS as readonly unknown[]).includes(body["task"])) task = String(body["task"]);
      const result = await generate(body, client, context, signal);
      metrics.batchLines.inc({ task, code: "ok" });
      return { line, ...(id !== undefined && { id }), result };
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toTdiError(thrown);
      if (error.cause) logFailure(logger, context.requestId, error.cause);
      metrics.batchLines.inc({ task, code: error.code });
      return { line, ...(id !== undefined && { id }), error: problemDocument(error, context.requestId) };
    }
  }

  return [
    (req, _res, next) => {
      if (!req.accepts(JSON_LINES)) throw new TdiError("not_acceptable", `This reply exists as ${JSON_LINES} only.`);
      if (!LINES_TYPE.test(req.get("content-type") ?? "")) throw new TdiError("unsupported_media_type", `Send the body as ${JSON_LINES} in UTF-8.`);
      next();
    },
    express.raw({ type: () => true, limit: limits.maxBatchBytes }),
    async (req, res) => {
      const context = contextOf(res);
      const lines = linesOf(req.body);
      if (!engine.ready) throw new TdiError("not_ready", "The engine is loading, restarting or shutting down.");
      const signal = goneSignal(res);
      const { client } = context;
      context.texts = lines.length;
      res.status(200).set({ "content-type": JSON_LINES, "cache-control": "no-store, no-transform", "x-accel-buffering": "no" }).flushHeaders();
      try {
        for await (const done of mapOrdered(lines, limits.batchLines, ({ text, line }) => answer(text, line, client, context, signal))) {
          // While the client does not read, no further line is begun.
          if (!res.write(`${JSON.stringify(done)}\n`)) await once(res, "drain", { signal });
        }
        res.end();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
  ];
}

function linesOf(body: unknown): { text: string; line: number }[] {
  // An empty body is no buffer.
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  if (!isUtf8(bytes)) throw new TdiError("malformed_json", "The body is not valid UTF-8.");
  return bytes.toString("utf8").split("\n").map((text, at) => ({ text, line: at + 1 })).filter(({ text }) => text.trim() !== "");
}

function parseLine(text: string, maxDepth: number): Record<string, unknown> {
  const parsed = parseJson(text, maxDepth, "The line");
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new TdiError("invalid_request", "1 field is at fault.", [{ field: "(body)", message: "must be a JSON object" }]);
  const { id } = parsed as Record<string, unknown>;
  if (id !== undefined && typeof id !== "number" && !(typeof id === "string" && id.length <= 256)) {
    throw new TdiError("invalid_request", "1 field is at fault.", [{ field: "id", message: "must be a number or a string of at most 256 characters" }]);
  }
  return parsed as Record<string, unknown>;
}
