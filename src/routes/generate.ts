import { randomInt } from "node:crypto";
import type { Handler, Response } from "express";
import type { GenerateReply, Task } from "../engine/contract.js";
import type { Engine } from "../engine/engine.js";
import { ClientGoneError } from "../engine/job.js";
import { TdiError } from "../errors.js";
import { clientOf } from "./client.js";
import { contextOf } from "./context.js";
import { bundleFor, checkAgainstBundle, createRequestParser, inClientTerms, type RequestLimits } from "./schema.js";

/** Handler of POST /paraphrase and POST /summarize; the body has been read as JSON. */
export function generateHandler(engine: Engine, task: Task, limits: RequestLimits): Handler {
  const parse = createRequestParser(limits);
  return async (req, res) => {
    const context = contextOf(res);
    context.task = task;
    const request = parse(req.body);
    if (!engine.ready) throw new TdiError("not_ready", "The engine is loading, restarting or shutting down.");
    checkAgainstBundle(request, bundleFor(engine.bundles, task));
    const options = { ...request.options, seed: request.seed ?? randomInt(2 ** 32) };
    context.texts = request.texts.length;
    context.rows = request.texts.length * options.numCandidates;
    let reply: GenerateReply;
    try {
      reply = await engine.submit({ task, texts: request.texts, options, client: clientOf(req) }, goneSignal(res));
    } catch (error) {
      if (error instanceof ClientGoneError) return;
      throw error instanceof TdiError ? inClientTerms(error, request.single) : error;
    }
    sendReply(res, reply);
  };
}

/** Refuses a client that does not take JSON before its body is read. */
export const acceptsJson: Handler = (req, _res, next) => {
  if (!req.accepts("application/json")) throw new TdiError("not_acceptable", "This reply exists as application/json only.");
  next();
};

/** Aborted when the client goes away before it has its reply. */
function goneSignal(res: Response): AbortSignal {
  const controller = new AbortController();
  res.once("close", () => {
    if (!res.writableFinished) controller.abort();
  });
  if (res.destroyed || res.closed) controller.abort();
  return controller.signal;
}

function sendReply(res: Response, { model, results, used, timings }: GenerateReply): void {
  const { id, startedAt } = contextOf(res);
  const { queue, conditioning, denoising, decoding } = timings;
  const rounded = Object.entries({ queue, conditioning, denoising, decoding, total: performance.now() - startedAt }).map(
    ([stage, ms]) => [stage, Math.round(ms * 100) / 100] as const,
  );
  res.set("server-timing", rounded.map(([stage, ms]) => `${stage};dur=${ms}`).join(", "));
  res.json({ id, model, results, used, seed: used.seed, timings_ms: Object.fromEntries(rounded) });
}
