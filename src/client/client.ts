import { EventSourceParserStream } from "eventsource-parser/stream";
import { errorOf, TdiApiError } from "./errors.js";
import { jsonLines } from "./json-lines.js";
import { withRetries, type RetryOptions } from "./retry.js";
import type { BatchAnswer, BatchId, GenerateReply, GenerateRequest, Info, Problem, StepEvent } from "./types.js";

export type Task = "paraphrase" | "summarize";

export interface ClientOptions extends RetryOptions {
  /** Address of the server, with the path of a gateway where there is one. */
  baseUrl: string | URL;
  /** Sent with every request, e.g. `{ authorization: "Bearer <key>" }` where the server asks for a key. */
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

/** A request of a batch: its task, and an id that its answer has too. */
export type BatchRequest = GenerateRequest & { task: Task; id?: BatchId };

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
  /**
   * Many requests behind everybody else's: an answer for each, its result or its own error, in order, as they are done. A loop
   * that is slow holds the work back, and leaving it ends the rest. Retries end with the first answer.
   * @throws as `paraphrase`, for the batch as a whole: an answer that is an error is not thrown
   */
  batch(requests: Iterable<BatchRequest>, options?: CallOptions): AsyncGenerator<BatchAnswer, void, undefined>;
  /** What is loaded, what computes it, and the limits. */
  info(options?: CallOptions): Promise<Info>;
  /** True when requests are taken. */
  ready(options?: Pick<CallOptions, "signal" | "headers">): Promise<boolean>;
}

const JSON_LINES = "application/jsonl";

/** The body of a POST. */
interface Content {
  type: string;
  text: string;
}

const asJson = (body: unknown): Content => ({ type: "application/json", text: JSON.stringify(body) });

/** A client of one server. Needs fetch and web streams: Node.js 20, Deno, Bun or a browser. */
export function createClient({ baseUrl, headers: always, fetch: send = globalThis.fetch, ...retry }: ClientOptions): Client {
  const base = String(baseUrl).replace(/\/+$/, "");

  /** @param content type and text of the body; none of a GET */
  async function call(path: string, accept: string, content: Content | undefined, options: CallOptions): Promise<Response> {
    const response = await send(base + path, {
      method: content ? "POST" : "GET",
      headers: { ...always, ...options.headers, accept, ...(content && { "content-type": content.type }) },
      ...(content && { body: content.text }),
      ...(options.signal && { signal: options.signal }),
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async function json<T>(path: string, content: Content | undefined, options: CallOptions = {}): Promise<T> {
    const attempt = async () => (await call(path, "application/json", content, options)).json() as Promise<T>;
    return withRetries(attempt, { ...retry, ...options }, options.signal);
  }

  async function* stream(task: Task, request: GenerateRequest, options: CallOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    const attempt = () => call(`/${task}`, "text/event-stream", asJson(request), options);
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

  async function* batch(requests: Iterable<BatchRequest>, options: CallOptions = {}): AsyncGenerator<BatchAnswer, void, undefined> {
    // Written once: a retry sends the same lines, though an iterator can be read only once.
    const lines = Array.from(requests, (request) => JSON.stringify(request));
    const attempt = () => call("/batch", JSON_LINES, { type: JSON_LINES, text: lines.join("\n") }, options);
    const response = await withRetries(attempt, { ...retry, ...options }, options.signal);
    let answered = 0;
    for await (const answer of jsonLines(response.body!)) {
      answered += 1;
      yield answer as BatchAnswer;
    }
    if (answered < lines.length) throw new TypeError(`The batch ended after ${answered} of ${lines.length} answers.`);
  }

  return {
    paraphrase: (request, options) => json("/paraphrase", asJson(request), options),
    summarize: (request, options) => json("/summarize", asJson(request), options),
    stream,
    batch,
    info: (options) => json("/info", undefined, options),
    async ready(options) {
      try {
        await call("/health/ready", "application/json", undefined, options ?? {});
        return true;
      } catch (error) {
        if (error instanceof TdiApiError || error instanceof TypeError) return false;
        throw error;
      }
    },
  };
}
