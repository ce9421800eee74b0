import type { Handler } from "express";
import { readFileSync } from "node:fs";
import type { RateLimits } from "../access/rates.js";
import type { Engine } from "../engine/engine.js";
import { TdiError } from "../errors.js";
import { NAME, projectPath, VERSION } from "../project.js";
import { exposition, OPENMETRICS_TYPE, PROMETHEUS_TYPE } from "../telemetry/exposition.js";
import type { Metrics } from "../telemetry/metrics.js";
import type { RequestLimits } from "./schema.js";

/** GET /health/live: the process answers. */
export const live: Handler = (_req, res) => {
  res.json({ status: "live" });
};

/** GET /health/ready: a real inference has gone well and the engine process is up. */
export function ready(engine: Engine): Handler {
  return (_req, res) => {
    if (!engine.inRotation) throw new TdiError("not_ready", "The engine is loading, restarting or shutting down.");
    res.json({ status: "ready" });
  };
}

/** GET /info: what is loaded, what computes it, and the limits. Before the first ready there are no bundles. */
export function info(engine: Engine, limits: RequestLimits & RateLimits & { maxBodyBytes: number; maxQueuedRows: number; maxClientRows: number; deadlineMs: number }): Handler {
  const shownLimits = {
    body_bytes: limits.maxBodyBytes,
    text_characters: limits.maxTextCharacters,
    texts: limits.maxTexts,
    candidates: limits.maxCandidates,
    rows: limits.maxRows,
    row_steps: limits.maxRowSteps,
    queued_rows: limits.maxQueuedRows,
    client_rows: limits.maxClientRows,
    requests_per_minute: limits.maxRequestsPerMinute,
    rows_per_minute: limits.maxRowsPerMinute,
    deadline_ms: limits.deadlineMs,
  };
  return (_req, res) => {
    const bundles = [...engine.bundles.values()];
    const distinct = (values: string[]) => [...new Set(values)];
    res.json({
      name: NAME,
      version: VERSION,
      ready: engine.ready,
      languages: distinct(bundles.map((bundle) => bundle.language)),
      providers: distinct(bundles.map((bundle) => bundle.provider)),
      limits: shownLimits,
      bundles,
    });
  };
}

/** GET /metrics in the Prometheus text format, or in OpenMetrics (with exemplars) for a scraper that asks for it. */
export function metricsText({ registry }: Metrics): Handler {
  return async (req, res) => {
    // Prometheus names versions and escaping schemes that express would compare as a whole; whoever names the format can read it.
    const openMetrics = req.get("accept")?.includes("application/openmetrics-text") ?? false;
    res.set("content-type", openMetrics ? OPENMETRICS_TYPE : PROMETHEUS_TYPE).send(await exposition(registry, openMetrics));
  };
}

/** GET /openapi.yaml: the contract itself. */
export function openapi(): Handler {
  const contract = readFileSync(projectPath("openapi.yaml"), "utf8");
  return (_req, res) => {
    res.type("application/yaml").send(contract);
  };
}
