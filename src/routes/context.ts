import { randomBytes } from "node:crypto";
import type { Handler, Response } from "express";
import { ERRORS, type ErrorCode } from "../errors.js";
import type { Logger } from "../telemetry/logger.js";
import type { Metrics } from "../telemetry/metrics.js";
import { parseTraceparent } from "../telemetry/trace-context.js";
import type { RequestSpan, Tracing } from "../telemetry/tracing.js";
import type { EventStream } from "./event-stream.js";

/** What is known of the request under way; its log line and metrics are made from it. No user text. */
export interface RequestContext {
  /** Made here, for the reply's `id`. */
  id: string;
  /** For x-request-id: the client's where that is sane, else `id`. */
  requestId: string;
  /** `performance.now()` when the request came. */
  startedAt: number;
  route?: string;
  /** Who asks, for fair shares and rates: a key or an address; "" where it does not matter. */
  client: string;
  /** Name of the API key. */
  key?: string;
  task?: string;
  texts?: number;
  rows?: number;
  code?: ErrorCode;
  /** Of the trace this request belongs to: the caller's traceparent, or the server's own when it traces. */
  traceId?: string;
  /** The request's span, where the server traces. */
  span?: RequestSpan;
  /** The reply as events, for a client that asked for them. */
  stream?: EventStream;
}

/** Letters, digits and a few signs, so that an id breaks neither a log line nor a header. */
const SANE_REQUEST_ID = /^[\w.:~-]{1,128}$/;

/** Status in logs and metrics of a request whose client left before the reply; it is never sent. */
const CLIENT_GONE = 499;

/** The context of a request, put there by `openContext` before every route. */
export function contextOf(res: Response): RequestContext {
  return res.locals["context"] as RequestContext;
}

/** Opens every request: ids, headers of all replies, and at the end one log line and one count. */
export function openContext(logger: Logger, metrics: Metrics, tracing?: Tracing): Handler {
  return (req, res, next) => {
    const id = `req_${randomBytes(12).toString("hex")}`;
    const sent = req.get("x-request-id");
    const context: RequestContext = {
      id,
      requestId: sent !== undefined && SANE_REQUEST_ID.test(sent) ? sent : id,
      startedAt: performance.now(),
      client: "",
    };
    const parent = parseTraceparent(req.get("traceparent"));
    if (tracing) context.span = tracing.begin(req.method, context.startedAt, parent);
    const traceId = context.span?.traceId ?? parent?.traceId;
    if (traceId) context.traceId = traceId;
    res.locals["context"] = context;
    res.set({ "x-request-id": context.requestId, "cache-control": "no-store" });
    res.once("close", () => {
      const { route = "other", task = "", key, texts, rows, code, traceId } = context;
      // A stream that ends in an error has long since sent its 200.
      const status = !res.writableFinished ? CLIENT_GONE : code ? ERRORS[code].status : res.statusCode;
      const ms = performance.now() - context.startedAt;
      metrics.requests.inc({ route, task, status });
      if (task && status === 200) metrics.requestSeconds.observe({ labels: { task }, value: ms / 1000, exemplarLabels: traceId ? { trace_id: traceId } : {} });
      if (code) metrics.rejected.inc({ reason: code });
      context.span?.end({ "http.request.method": req.method, "http.route": route, "http.response.status_code": status, "error.type": code, "tdi.request_id": context.requestId, "tdi.task": task || undefined, "tdi.rows": rows }, status >= 500);
      const level = code && ERRORS[code].status === 500 ? "error" : "info";
      logger[level]({ request_id: context.requestId, id, method: req.method, route, status, ms: Math.round(ms * 10) / 10, key, texts, rows, code, trace_id: traceId }, "request");
    });
    next();
  };
}
