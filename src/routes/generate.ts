import type { Handler, Request, Response } from "express";
import type { Rates } from "../access/rates.js";
import type { GenerateReply, Task } from "../engine/contract.js";
import type { Engine } from "../engine/engine.js";
import { ClientGoneError } from "../engine/job.js";
import { completeOptions } from "../engine/options.js";
import { TdiError } from "../errors.js";
import { contextOf } from "./context.js";
import { EventStream } from "./event-stream.js";
import { bundleFor, checkAgainstBundle, createRequestParser, inClientTerms, type RequestLimits } from "./schema.js";

/** Step events of a row when the client does not say how many steps lie between them. */
const DEFAULT_EVENTS = 10;

/** Handler of POST /paraphrase and POST /summarize; the body has been read as JSON. */
export function generateHandler(engine: Engine, rates: Rates, task: Task, limits: RequestLimits & { heartbeatMs: number; traceTicks: number }): Handler {
  const parse = createRequestParser(limits);
  return async (req, res) => {
    const context = contextOf(res);
    context.task = task;
    const request = parse(req.body);
    if (!engine.ready) throw new TdiError("not_ready", "The engine is loading, restarting or shutting down.");
    const bundle = bundleFor(engine.bundles, task);
    checkAgainstBundle(request, bundle, limits);
    const options = completeOptions(request.options, bundle, limits.maxCandidates);
    context.texts = request.texts.length;
    context.rows = request.texts.length * options.bestOf;
    await rates.countRows(context.client, context.rows);
    const stream = wantsEvents(req) ? (context.stream = new EventStream(res, limits.heartbeatMs)) : undefined;
    const everySteps = request.streamEvery ?? Math.ceil((options.steps ?? bundle.defaults.steps) / DEFAULT_EVENTS);
    let reply: GenerateReply;
    try {
      const job = { task, texts: request.texts, options, client: context.client, ...(stream && { progress: { everySteps } }), ...(context.span?.recording && { traceTicks: limits.traceTicks }) };
      reply = await engine.submit(job, goneSignal(res), (event) => stream?.snapshot("step", event));
    } catch (error) {
      if (error instanceof ClientGoneError) return;
      throw error instanceof TdiError ? inClientTerms(error, request.single) : error;
    }
    sendReply(res, reply);
  };
}

const FORMS = ["application/json", "text/event-stream"];

/** Refuses a client that takes neither form of the reply before its body is read. */
export const acceptsReply: Handler = (req, _res, next) => {
  if (!req.accepts(FORMS)) throw new TdiError("not_acceptable", "This reply exists as application/json and as text/event-stream.");
  next();
};

/** Events are for a client that prefers them to JSON. */
function wantsEvents(req: Request): boolean {
  return req.accepts(FORMS) === "text/event-stream";
}

/** Aborted when the client goes away before it has its reply. */
export function goneSignal(res: Response): AbortSignal {
  const controller = new AbortController();
  res.once("close", () => {
    if (!res.writableFinished) controller.abort();
  });
  if (res.destroyed || res.closed) controller.abort();
  return controller.signal;
}

/** The document of a reply. @param startedAt `performance.now()` from which its total time counts */
export function replyBody(id: string, { model, results, used, timings }: GenerateReply, startedAt: number) {
  const { queue, conditioning, denoising, decoding } = timings;
  const round = (ms: number) => Math.round(ms * 100) / 100;
  const rounded = { queue: round(queue), conditioning: round(conditioning), denoising: round(denoising), decoding: round(decoding), total: round(performance.now() - startedAt) };
  return { id, model, results, used, seed: used.seed, timings_ms: rounded };
}

function sendReply(res: Response, reply: GenerateReply): void {
  const { id, startedAt, stream, span } = contextOf(res);
  span?.stages(reply.timings, reply.ticks);
  const body = replyBody(id, reply, startedAt);
  if (stream) {
    stream.end("result", body);
    return;
  }
  res.set({ "server-timing": Object.entries(body.timings_ms).map(([stage, ms]) => `${stage};dur=${ms}`).join(", ") });
  res.vary("accept").json(body);
}
