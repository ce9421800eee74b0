import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import { readEvents } from "../fixtures/events.js";
import { startFake } from "../fixtures/fake-service.js";

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
  status: { code?: number };
}

test("spans reach a collector: the caller's trace, the stages within, no user text", async (t) => {
  const received: { path: string; body: { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] } }[] = [];
  const collector = createServer((request, response) => {
    void json(request).then((body) => {
      received.push({ path: request.url!, body: body as never });
      response.setHeader("content-type", "application/json").end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  t.after(() => collector.close());
  const service = await startFake({ traceTicks: 2, otlpEndpoint: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/` });
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const parent = "b7ad6b7169203331";
  const traceparent = (flags: string) => ({ traceparent: `00-${traceId}-${parent}-${flags}` });

  await (await service.post("/paraphrase", { text: "Secret words.", steps: 5, num_candidates: 2 }, { ...traceparent("01"), "x-request-id": "traced" })).text();
  await readEvents(await service.post("/summarize", { text: "Secret words." }, { accept: "text/event-stream" }));
  await (await service.post("/paraphrase", { text: "boom secret" })).text();
  await (await service.post("/paraphrase", { text: "Secret words." }, { ...traceparent("00"), "x-request-id": "unsampled" })).text();
  const metrics = await (await fetch(`${service.url}/metrics`, { headers: { accept: "application/openmetrics-text" } })).text();
  // What is not sent yet is sent at the end.
  await service.close();

  assert.match(metrics, new RegExp(`tdi_request_duration_seconds_bucket\\{[^}]*task="paraphrase"\\} \\d+ # \\{trace_id="${traceId}"\\}`));
  assert.ok(received.length > 0 && received.every(({ path }) => path === "/v1/traces"));
  assert.ok(!/secret/i.test(JSON.stringify(received)));
  const spans = received.flatMap(({ body }) => body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
  const value = (span: Span, key: string) => Object.values(span.attributes.find((each) => each.key === key)?.value ?? {})[0];
  assert.ok(!spans.some((span) => value(span, "tdi.request_id") === "unsampled"));

  const mine = spans.find((span) => value(span, "tdi.request_id") === "traced")!;
  assert.deepEqual([mine.name, mine.traceId, mine.parentSpanId], ["POST /paraphrase", traceId, parent]);
  assert.equal(Number(value(mine, "http.response.status_code")), 200);
  const stages = spans.filter((span) => span.parentSpanId === mine.spanId).sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)));
  assert.deepEqual(stages.map(({ name }) => name), ["queue", "conditioning", "denoising", "decoding"]);
  assert.ok(stages.every((span) => span.traceId === traceId && BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)));

  // Every call of the denoiser: the first two by themselves, the other three together.
  const denoising = stages.find(({ name }) => name === "denoising")!;
  const ticks = spans.filter((span) => span.parentSpanId === denoising.spanId);
  assert.deepEqual(
    ticks.map((tick) => [tick.name, ...["tdi.calls", "tdi.steps", "tdi.rows"].map((key) => Number(value(tick, key)))]),
    [["tick", 1, 1, 2], ["tick", 1, 1, 2], ["ticks", 3, 3, 2]],
  );
  let before = BigInt(denoising.startTimeUnixNano);
  for (const tick of ticks) {
    assert.ok(BigInt(tick.startTimeUnixNano) >= before && BigInt(tick.endTimeUnixNano) > BigInt(tick.startTimeUnixNano));
    before = BigInt(tick.endTimeUnixNano);
  }
  assert.ok(before <= BigInt(denoising.endTimeUnixNano));

  const streamed = spans.find(({ name }) => name === "POST /summarize")!;
  assert.equal(streamed.parentSpanId || undefined, undefined);
  assert.equal(spans.filter((span) => span.parentSpanId === streamed.spanId).length, 4);
  const failed = spans.find((span) => value(span, "error.type") === "internal")!;
  assert.deepEqual([failed.status.code, Number(value(failed, "http.response.status_code"))], [2, 500]);
});
