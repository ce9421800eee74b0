import express, { type Express, type Handler } from "express";
import type { KeyRing } from "../access/key-ring.js";
import { Rates } from "../access/rates.js";
import type { Config } from "../config.js";
import { TASKS } from "../engine/contract.js";
import type { Engine } from "../engine/engine.js";
import { TdiError } from "../errors.js";
import type { Logger } from "../telemetry/logger.js";
import type { Metrics } from "../telemetry/metrics.js";
import type { Tracing } from "../telemetry/tracing.js";
import { batchHandlers } from "./batch.js";
import { readJson } from "./body.js";
import { contextOf, openContext } from "./context.js";
import { acceptsReply, generateHandler } from "./generate.js";
import { guard } from "./guard.js";
import { crossOrigin, securityHeaders } from "./headers.js";
import { createPages } from "./pages.js";
import { problemHandler } from "./problem.js";
import { info, live, metricsText, openapi, ready } from "./status.js";

export interface AppParts {
  engine: Engine;
  config: Config;
  logger: Logger;
  metrics: Metrics;
  tracing?: Tracing | undefined;
  /** Who is let in; everybody when absent. */
  keys?: KeyRing | undefined;
}

interface Route {
  method: "get" | "post";
  path: string;
  handlers: Handler[];
  /** Has a tag, by which a client may keep a copy. */
  tagged?: boolean;
}

/** The HTTP side: every route of the server, each with its other methods answered too. */
export function createApp({ engine, config, logger, metrics, tracing, keys }: AppParts): Express {
  const rates = new Rates(config);
  const pages = createPages();
  const routes: Route[] = [
    ...TASKS.map((task): Route => ({
      method: "post",
      path: `/${task}`,
      handlers: [acceptsReply, ...readJson(config.maxBodyBytes, config.maxJsonDepth), generateHandler(engine, rates, task, config)],
    })),
    { method: "post", path: "/batch", handlers: batchHandlers({ engine, rates, limits: config, metrics, logger }) },
    { method: "get", path: "/health/live", handlers: [live] },
    { method: "get", path: "/health/ready", handlers: [ready(engine)] },
    { method: "get", path: "/info", handlers: [info(engine, config)] },
    { method: "get", path: "/metrics", handlers: [metricsText(metrics)] },
    { method: "get", path: "/openapi.yaml", handlers: [openapi()] },
    { method: "get", path: "/", handlers: [pages.page("index.html")], tagged: true },
    { method: "get", path: "/docs", handlers: [pages.page("docs.html")], tagged: true },
    { method: "get", path: "/assets/:name", handlers: [pages.asset], tagged: true },
  ];

  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("case sensitive routing");
  app.enable("strict routing");
  app.set("trust proxy", config.trustedProxies);
  app.use(openContext(logger, metrics, tracing), securityHeaders());
  if (config.corsOrigins.length > 0) app.use(crossOrigin(config.corsOrigins));
  app.use(guard(keys, rates));
  for (const { method, path, handlers, tagged } of routes) {
    const name: Handler = (req, res, next) => {
      contextOf(res).route = path;
      // Of a reply without a tag nobody has a copy; express would answer "*" with 304.
      if (!tagged) delete req.headers["if-none-match"];
      next();
    };
    // Express answers HEAD from the GET handler, without the body.
    const allow = method === "get" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
    app.route(path).all(name)[method](...handlers).options((_req, res) => void res.set("allow", allow).status(204).end()).all((_req, res) => {
      res.set("allow", allow);
      throw new TdiError("method_not_allowed", `Use ${allow}.`);
    });
  }
  app.use(() => {
    throw new TdiError("not_found", "There is no such path.");
  });
  app.use(problemHandler(logger));
  return app;
}
