import type { ErrorRequestHandler, Response } from "express";
import { ERRORS, TdiError, type ErrorCode } from "../errors.js";
import { traceOf, type FailureTrace } from "../telemetry/failure.js";
import type { Logger } from "../telemetry/logger.js";
import { contextOf } from "./context.js";

/** Codes of the errors that express and its body reader raise, by their HTTP status. */
const BY_STATUS: Record<number, ErrorCode> = { 400: "malformed_json", 404: "not_found", 413: "body_too_large", 415: "unsupported_media_type" };

/** An error as RFC 9457 problem details. */
export function problemDocument(error: TdiError, requestId: string): Record<string, unknown> {
  const { status, title } = ERRORS[error.code];
  return {
    type: `urn:tdi:error:${error.code}`,
    title,
    status,
    detail: error.detail,
    code: error.code,
    request_id: requestId,
    ...(error.faults && { errors: error.faults }),
  };
}

/** Answers with an error: as the reply, or as the last event of a stream that has begun. */
function sendProblem(res: Response, error: TdiError): void {
  const context = contextOf(res);
  const { status } = ERRORS[error.code];
  context.code = error.code;
  const document = problemDocument(error, context.requestId);
  if (context.stream?.begun) {
    context.stream.end("error", document);
    return;
  }
  context.stream?.abandon();
  // RFC 6750, section 3: an error is named only where a key was sent.
  if (status === 401) res.set("www-authenticate", `Bearer realm="tdi"${res.req.get("authorization") === undefined ? "" : ', error="invalid_token"'}`);
  if (status === 403) res.set("www-authenticate", 'Bearer realm="tdi", error="insufficient_scope"');
  if (status === 429 || status === 503) res.set("retry-after", String(error.retryAfterSeconds ?? 1));
  res.status(status).type("application/problem+json").send(JSON.stringify(document));
}

/** The last handler: whatever was thrown becomes an error of the table, and a fault of the server is logged. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  // Express tells an error handler by its four parameters.
  return (thrown: unknown, _req, res, next) => {
    if (res.headersSent && !contextOf(res).stream) {
      next(thrown);
      return;
    }
    const error = toTdiError(thrown);
    if (error.cause) logFailure(logger, contextOf(res).requestId, error.cause);
    sendProblem(res, error);
  };
}

/** An error of the table as it is, one of express by its status; any other is a fault of the server, with its trace as cause. */
export function toTdiError(thrown: unknown): TdiError {
  if (thrown instanceof TdiError) return thrown;
  const status = (thrown as { status?: unknown } | null)?.status;
  const code = typeof status === "number" ? BY_STATUS[status] : undefined;
  const error = new TdiError(code ?? "internal", ERRORS[code ?? "internal"].description);
  if (!code) error.cause = traceOf(thrown);
  return error;
}

/** @param cause a FailureTrace, as a fault of the engine or of this process carries it */
export function logFailure(logger: Logger, requestId: string, cause: unknown): void {
  const { error, frames, message } = cause as FailureTrace;
  logger.error({ request_id: requestId, error, frames }, "a request failed");
  logger.debug({ request_id: requestId, error, message }, "a request failed: message, which may quote the input");
}
