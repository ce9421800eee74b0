import type { EngineFault, FieldFault } from "./engine/contract.js";

interface ErrorEntry {
  /** HTTP status of the reply. */
  status: number;
  /** Short and the same for every occurrence (RFC 9457, section 3.1.3). */
  title: string;
  /** When it happens and what a client can do about it. */
  description: string;
}

/** Every error a client can see, by its stable code. openapi.yaml lists the same codes; a test holds the two together. */
export const ERRORS = {
  malformed_json: {
    status: 400,
    title: "Malformed JSON",
    description: "The body is not JSON in UTF-8, is nested too deeply, or is shorter than announced.",
  },
  unauthorized: {
    status: 401,
    title: "Unauthorized",
    description: "The server asks for an API key in Authorization: Bearer <key>, and there was none, or it is not one of this server's.",
  },
  forbidden: {
    status: 403,
    title: "Forbidden",
    description: "The API key is one of this server's, but lacks the scope that this path needs.",
  },
  not_found: {
    status: 404,
    title: "Not found",
    description: "There is no such path, or no loaded bundle serves this task.",
  },
  method_not_allowed: {
    status: 405,
    title: "Method not allowed",
    description: "The path exists, but not for this method; the Allow header lists those it has.",
  },
  not_acceptable: {
    status: 406,
    title: "Not acceptable",
    description: "The Accept header leaves out both forms of this reply, application/json and text/event-stream.",
  },
  body_too_large: {
    status: 413,
    title: "Body too large",
    description: "The body is over the server's limit in bytes (see /info), after decompression.",
  },
  unsupported_media_type: {
    status: 415,
    title: "Unsupported media type",
    description: "The body must be application/json (application/jsonl of a batch) in UTF-8, plain or compressed with gzip, deflate or br.",
  },
  invalid_request: {
    status: 422,
    title: "Invalid request",
    description: "One or more fields are missing, unknown, of the wrong type or out of range; each is named.",
  },
  text_too_long: {
    status: 422,
    title: "Text too long",
    description: 'The text has more tokens than the bundle reads; shorten it or send "truncation": "end".',
  },
  text_unreadable: {
    status: 422,
    title: "Text unreadable",
    description: "Most of the text is unknown to the model's vocabulary: another script, emoji or noise.",
  },
  text_too_short: {
    status: 422,
    title: "Text too short",
    description: "The text is too short to be summarised.",
  },
  client_over_share: {
    status: 429,
    title: "Client over its share",
    description: "The client has as many rows admitted as one may have at a time; retry after the seconds in Retry-After.",
  },
  rate_limited: {
    status: 429,
    title: "Rate limited",
    description: "The client has asked for as many requests or rows as one may in a minute; retry after the seconds in Retry-After.",
  },
  internal: {
    status: 500,
    title: "Internal error",
    description: "A fault of the server; its log holds the details under the request id.",
  },
  queue_full: {
    status: 503,
    title: "Queue full",
    description: "The server has as many rows admitted as it takes; retry after the seconds in Retry-After.",
  },
  not_ready: {
    status: 503,
    title: "Not ready",
    description: "The engine is loading, restarting or shutting down; retry after the seconds in Retry-After.",
  },
  engine_restarted: {
    status: 503,
    title: "Engine restarted",
    description: "The engine process ended twice while it worked on this request; a retry is safe.",
  },
  deadline_exceeded: {
    status: 504,
    title: "Deadline exceeded",
    description: "The request was not done within the server's deadline; ask for fewer steps, candidates or texts.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/**
 * An error of the table above. `detail` and `faults` are shown to the client, so they hold no input text, no path and no
 * stack. `retryAfterSeconds` becomes the Retry-After header of a 429 or 503 (1 when not given).
 */
export class TdiError extends Error {
  override readonly name = "TdiError";

  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly faults?: FieldFault[],
    readonly retryAfterSeconds?: number,
  ) {
    super(detail);
  }

  /** The error as plain data, to cross a process boundary. */
  toFault(): EngineFault {
    return { code: this.code, detail: this.detail, ...(this.faults && { faults: this.faults }) };
  }

  /** The error a fault of the engine stands for; a code outside the table is a defect, so an internal error. */
  static fromFault(fault: EngineFault): TdiError {
    return isErrorCode(fault.code)
      ? new TdiError(fault.code, fault.detail, fault.faults)
      : new TdiError("internal", ERRORS.internal.description);
  }
}
