import { EventSourceParserStream } from "eventsource-parser/stream";
import { errorOf, TdiApiError } from "./errors.js";
import { withRetries, type RetryOptions } from "./retry.js";
import type { GenerateReply, GenerateRequest, Info, Problem, StepEvent } from "./types.js";

export type Task = "paraphrase" | "summarize";

export interface ClientOptions extends RetryOptions {
  /** Address of the server, with the path of a gateway where there is one. */
  baseUrl: string | URL;
  /** Sent with every request, e.g. the authorization that a gateway asks for. */
  headers?: Record<string, string>;
  /** In place of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

export interface CallOptions extends RetryOptions {
  /** Ends the call; the server then frees what the request held. */
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** One event of a stream; the result is the last. */
export type StreamEvent = { event: "step"; data: StepEvent } | { event: "result"; data: GenerateReply };

export interface Client {
  /** @throws TdiApiError, the signal's reason, or a TypeError when there is no connection */
  paraphrase(request: GenerateRequest, options?: CallOptions): Promise<GenerateReply>;
  /** @throws as `paraphrase` */
  summarize(request: GenerateRequest, options?: CallOptions): Promise<GenerateReply>;
  /**
   * The text as it sharpens, then the result. Leaving the loop ends the request. Retries end with the first event.
   * @throws as `paraphrase`
   */
  stream(task: Task, request: GenerateRequest, options?: CallOptions): AsyncGenerator<StreamEvent, void, undefined>;
  /** What is loaded, what computes it, and the limits. */
  info(options?: CallOptions): Promise<Info>;
  /** True when requests are taken. */
  ready(options?: Pick<CallOptions, "signal" | "headers">): Promise<boolean>;
}

/** A client of one server. Needs fetch and web streams: Node.js 20, Deno, Bun or a browser. */
export function createClient({ baseUrl, headers: always, fetch: send = globalThis.fetch, ...retry }: ClientOptions): Client {
  const base = String(baseUrl).replace(/\/+$/, "");

  async function call(method: "GET" | "POST", path: string, accept: string, body: unknown, options: CallOptions): Promise<Response> {
    const response = await send(base + path, {
      method,
      headers: { ...always, ...options.headers, accept, ...(body !== undefined && { "content-type": "application/json" }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(options.signal && { signal: options.signal }),
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async function json<T>(method: "GET" | "POST", path: string, body: unknown, options: CallOptions = {}): Promise<T> {
    const attempt = async () => (await call(method, path, "application/json", body, options)).json() as Promise<T>;
    return withRetries(attempt, { ...retry, ...options }, options.signal);
  }

  async function* stream(task: Task, request: GenerateRequest, options: CallOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    const attempt = () => call("POST", `/${task}`, "text/event-stream", request, options);
    const response = await withRetries(attempt, { ...retry, ...options }, options.signal);
    const reader = response.body!.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).pipeThrough(new EventSourceParserStream()).getReader();
    let finished = false;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done && !finished) throw new TypeError("The stream ended without a result.");
        if (done) return;
        const data: unknown = JSON.parse(value.data);
        if (value.event === "error") throw new TdiApiError((data as Problem).status, data as Problem);
        if (value.event === "step") yield { event: "step", data: data as StepEvent };
        if (value.event === "result") {
          finished = true;
          yield { event: "result", data: data as GenerateReply };
        }
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  return {
    paraphrase: (request, options) => json("POST", "/paraphrase", request, options),
    summarize: (request, options) => json("POST", "/summarize", request, options),
    stream,
    info: (options) => json("GET", "/info", undefined, options),
    async ready(options) {
      try {
        await call("GET", "/health/ready", "application/json", undefined, options ?? {});
        return true;
      } catch (error) {
        if (error instanceof TdiApiError || error instanceof TypeError) return false;
        throw error;
      }
    },
  };
}
