import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { exposition } from "../../src/telemetry/exposition.js";
import { createMetrics } from "../../src/telemetry/metrics.js";
import { parseTraceparent } from "../../src/telemetry/trace-context.js";

describe("the two formats of /metrics", () => {
  const metrics = createMetrics();
  metrics.requests.inc({ route: "/paraphrase", task: "paraphrase", status: 200 });
  metrics.requestSeconds.observe({ labels: { task: "paraphrase" }, value: 0.3, exemplarLabels: { trace_id: "0af7651916cd43dd8448eb211c80319c" } });

  test("OpenMetrics: the exemplar, the counter's family without _total, the end mark", async () => {
    const text = await exposition(metrics.registry, true);
    assert.match(text, /^tdi_request_duration_seconds_bucket\{le="0\.5",task="paraphrase"\} 1 # \{trace_id="0af7651916cd43dd8448eb211c80319c"\} 0\.3 \d+/m);
    assert.match(text, /^# TYPE tdi_requests counter\n(?:.*\n)*tdi_requests_total\{route="\/paraphrase",task="paraphrase",status="200"\} 1$/m);
    assert.ok(text.endsWith("# EOF\n"));
  });

  test("Prometheus text: no exemplar, the counter's family with _total, no end mark", async () => {
    const text = await exposition(metrics.registry, false);
    assert.match(text, /^tdi_request_duration_seconds_bucket\{le="0\.5",task="paraphrase"\} 1$/m);
    assert.match(text, /^# HELP tdi_requests_total .+\n# TYPE tdi_requests_total counter\ntdi_requests_total\{route="\/paraphrase",task="paraphrase",status="200"\} 1$/m);
    assert.ok(!text.includes("# EOF") && !text.includes("trace_id"));
  });

  test("asking for one does not change the other", async () => {
    const values = (text: string) => text.split("\n").filter((line) => line.startsWith("tdi_")).map((line) => line.split(" # ")[0]);
    assert.deepEqual(values(await exposition(metrics.registry, true)), values(await exposition(metrics.registry, false)));
  });
});

describe("traceparent", () => {
  const id = "0af7651916cd43dd8448eb211c80319c";
  const span = "b7ad6b7169203331";

  test("a valid one is read", () => {
    assert.deepEqual(parseTraceparent(`00-${id}-${span}-01`), { traceId: id, parentId: span, sampled: true });
    assert.equal(parseTraceparent(`00-${id}-${span}-00`)?.sampled, false);
    assert.equal(parseTraceparent(`cc-${id}-${span}-01-what-the-future-will-be-like`)?.traceId, id);
  });

  test("any other is as good as none", () => {
    const bad = [undefined, "", "x", `ff-${id}-${span}-01`, `00-${"0".repeat(32)}-${span}-01`, `00-${id}-${"0".repeat(16)}-01`, `00-${id.toUpperCase()}-${span}-01`, `00-${id}-${span}-01-x`, `00-${id}-${span}`];
    for (const header of bad) assert.equal(parseTraceparent(header), undefined, String(header));
  });
});
