/** Metrics, rules and dashboard against a real Prometheus that scrapes the real server. */
import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createMetrics } from "../../src/telemetry/metrics.js";
import { projectPath } from "../../src/project.js";
import { readEvents } from "../fixtures/events.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const RULES = projectPath("deploy/prometheus/rules.yaml");
const DASHBOARD = JSON.parse(readFileSync(projectPath("deploy/grafana/dashboard.json"), "utf8")) as { panels: { title: string; targets?: { expr: string }[] }[] };

/** Output of a tool; a fault is an error. */
function run(command: string, args: string[], input?: string): string {
  return execFileSync(command, args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

/** Something of everything that the metrics count. */
async function traffic(service: FakeService): Promise<void> {
  const traced = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
  for (const task of ["paraphrase", "summarize"]) {
    await (await service.post(`/${task}`, { text: "One.", truncation: "end" }, traced)).text();
    await readEvents(await service.post(`/${task}`, { text: "One." }, { accept: "text/event-stream" }));
    await (await service.post(`/${task}`, { text: "too-long text" })).text();
    await (await fetch(`${service.url}/batch`, { method: "POST", headers: { "content-type": "application/jsonl" }, body: JSON.stringify({ task, text: "One." }) })).text();
  }
  const leave = new AbortController();
  const left = fetch(`${service.url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text: "slow", steps: 100 }), signal: leave.signal });
  await until(async () => /^tdi_in_flight_rows [1-9]/m.test(await (await fetch(`${service.url}/metrics`)).text()));
  leave.abort();
  await left.catch(() => undefined);
}

describe("Prometheus", () => {
  const folder = mkdtempSync(join(tmpdir(), "tdi-prometheus-"));
  let service: FakeService;
  let prometheus: ChildProcess;
  let address: string;
  let said = "";

  async function query<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const body = (await response.json()) as { status: string; error?: string; data: T };
    assert.equal(body.status, "success", `${parameters["query"]}: ${body.error}`);
    return body.data;
  }
  const valuesOf = async (expr: string) => (await query<{ result: unknown[] }>("query", { query: expr })).result;

  before(async () => {
    service = await startFake();
    await (await service.post("/paraphrase", { text: "crash" })).text();
    await service.untilReady();
    await traffic(service);
    writeFileSync(
      join(folder, "prometheus.yaml"),
      `global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [${JSON.stringify(RULES)}]\nscrape_configs: [{ job_name: tdi, static_configs: [{ targets: ["127.0.0.1:${service.port}"] }] }]\n`,
    );
    const port = Number(process.env["PROMETHEUS_PORT"] ?? 19_090);
    address = `http://127.0.0.1:${port}`;
    prometheus = spawn("prometheus", [`--config.file=${folder}/prometheus.yaml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, "--enable-feature=exemplar-storage"], { stdio: ["ignore", "ignore", "pipe"] });
    prometheus.stderr!.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until(async () => {
      assert.equal(prometheus.exitCode, null, said);
      return (await fetch(`${address}/-/ready`).catch(() => undefined))?.ok ?? false;
    }, 60_000);
    await until(async () => (await valuesOf("up == 1")).length === 1, 60_000);
    // Counted between two scrapes, so that rates have something to show.
    await traffic(service);
  });
  after(async () => {
    prometheus?.kill("SIGTERM");
    await service?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test("the metrics' names and helps please promtool", async () => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    assert.equal(run("promtool", ["check", "metrics"], text), "");
  });

  test("the rules are valid and alert as their tests say", () => {
    run("promtool", ["check", "rules", RULES]);
    run("promtool", ["test", "rules", projectPath("deploy/prometheus/rules.test.yaml")]);
  });

  test("every metric that a rule or the dashboard names is one of the server", async () => {
    const { registry } = createMetrics();
    const known = new Set(registry.getMetricsAsArray().map(({ name }) => name.replace(/_total$/, "")));
    const sources = [readFileSync(RULES, "utf8"), ...DASHBOARD.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))].join("\n");
    const named = new Set(sources.match(/\b(tdi_[a-z_]+|process_[a-z_]+|nodejs_[a-z0-9_]+)\b/g));
    assert.ok(named.size > 20);
    for (const name of named) assert.ok(known.has(name.replace(/_(total|sum|count|bucket)$/, "")), `${name} is no metric of the server`);
  });

  test("every query of the dashboard has an answer", async () => {
    const expressions = DASHBOARD.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*") })));
    assert.ok(expressions.length > 25);
    for (const { title, expr } of expressions) await until(async () => (await valuesOf(expr)).length > 0, 60_000).catch(() => assert.fail(`${title}: no answer to ${expr}`));
  });

  test("an exemplar leads from a slow bucket to its trace", async () => {
    const series = await query<{ exemplars: { labels: { trace_id?: string } }[] }[]>("query_exemplars", { query: "tdi_request_duration_seconds_bucket", start: String(Date.now() / 1000 - 600), end: String(Date.now() / 1000 + 60) });
    assert.ok(series.flatMap(({ exemplars }) => exemplars).some(({ labels }) => labels.trace_id === TRACE));
  });

  test("the rules are evaluated without a fault", async () => {
    const { groups } = await query<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>("rules", {});
    const rules = groups.flatMap((group) => group.rules);
    assert.ok(rules.length >= 19);
    for (const { name, health, lastError } of rules) assert.equal(health, "ok", `${name}: ${lastError}`);
  });
});
