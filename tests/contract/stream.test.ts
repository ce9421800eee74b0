import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { after, before, describe, test } from "node:test";
import type { Response as Reply } from "express";
import { EventStream } from "../../src/routes/event-stream.js";
import { eachEvent, readEvents } from "../fixtures/events.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";
import { checkReply, validator } from "./contract.js";

const EVENTS = { accept: "text/event-stream" };
const stepEvent = validator({ $ref: "#/components/schemas/StepEvent" });
const generateReply = validator({ $ref: "#/components/schemas/GenerateReply" });
const problem = validator({ $ref: "#/components/schemas/Problem" });

async function metric(url: string, line: string): Promise<boolean> {
  return (await (await fetch(`${url}/metrics`)).text()).split("\n").includes(line);
}

describe("a reply as events", () => {
  let service: FakeService;
  before(async () => {
    service = await startFake();
  });
  after(() => service.close());

  test("steps, then the same document as the JSON reply", async () => {
    for (const path of ["/paraphrase", "/summarize"]) {
      const body = { text: ["One.", "Two."], num_candidates: 2, seed: 7, steps: 5, stream_every: 2 };
      const response = await service.post(path, body, EVENTS);
      assert.equal(await checkReply("post", path, response.clone()), `post ${path} 200 -`);
      assert.deepEqual(["content-type", "cache-control", "x-accel-buffering"].map((name) => response.headers.get(name)), ["text/event-stream; charset=utf-8", "no-store, no-transform", "no"]);
      const events = await readEvents(response);
      const last = events.pop()!;
      assert.equal(last.event, "result");
      assert.ok(generateReply(last.data));
      assert.equal(events.length, 2 * 2 * 3);
      for (const { event, data } of events) assert.ok(event === "step" && stepEvent(data), JSON.stringify(data));
      const plain = (await (await service.post(path, body)).json()) as Record<string, unknown>;
      assert.deepEqual([last.data["results"], last.data["used"]], [plain["results"], plain["used"]]);
    }
  });

  test("about ten events of a row when the client does not say how many", async () => {
    const events = await readEvents(await service.post("/paraphrase", { text: "One.", steps: 37 }, EVENTS));
    assert.deepEqual(events.map(({ data }) => data["step"]), [4, 8, 12, 16, 20, 24, 28, 32, 36, 37, undefined]);
  });

  test("rows that a text is given when its first are done are run and told as those are", async () => {
    const events = await readEvents(await service.post("/paraphrase", { text: "again One.", steps: 2, best_of: 3, stream_every: 1 }, EVENTS));
    assert.deepEqual(events.slice(0, -1).map(({ data }) => [data["candidate"], data["step"]]), [[0, 1], [0, 2], [1, 1], [2, 1], [1, 2], [2, 2]]);
    const { results } = events.at(-1)!.data as { results: { usage: { samples: number } }[] };
    assert.equal(results[0]!.usage.samples, 3);
  });

  test("JSON wins when both are as welcome, events when they are preferred", async () => {
    for (const [accept, type] of [["*/*", "application/json"], ["text/event-stream;q=0.5, application/json", "application/json"], ["application/json;q=0.5, text/event-stream", "text/event-stream"]]) {
      const response = await service.post("/paraphrase", { text: "One." }, { accept: accept! });
      assert.equal(response.headers.get("content-type")!.split(";")[0], type);
      assert.equal(response.headers.has("server-timing"), type === "application/json");
      await response.text();
    }
  });

  test("an error before the first event is an ordinary one", async () => {
    for (const [text, status, code] of [["too-long text", 422, "text_too_long"], ["boom", 500, "internal"]] as const) {
      const response = await service.post("/paraphrase", { text }, EVENTS);
      assert.equal(await checkReply("post", "/paraphrase", response), `post /paraphrase ${status} ${code}`);
    }
  });

  test("a client that leaves frees its rows", async () => {
    const leave = new AbortController();
    const response = await fetch(`${service.url}/paraphrase`, {
      method: "POST",
      headers: { ...EVENTS, "content-type": "application/json" },
      body: JSON.stringify({ text: "slow", steps: 100, stream_every: 1 }),
      signal: leave.signal,
    });
    for await (const { event } of eachEvent(response)) {
      assert.equal(event, "step");
      break;
    }
    assert.ok(await metric(service.url, "tdi_in_flight_rows 1"));
    leave.abort();
    await until(() => metric(service.url, "tdi_in_flight_rows 0"));
    assert.ok(await metric(service.url, 'tdi_cancelled_total{reason="client_gone"} 1'));
    assert.ok(await metric(service.url, 'tdi_requests_total{route="/paraphrase",task="paraphrase",status="499"} 1'));
  });

  test("a later error is the last event, and counted by its own status", async (t) => {
    const tight = await startFake({ deadlineMs: 500 });
    t.after(() => tight.close());
    const events = await readEvents(await tight.post("/summarize", { text: "slow", steps: 100, stream_every: 1 }, EVENTS));
    const last = events.pop()!;
    assert.deepEqual([last.event, last.data["code"], last.data["status"]], ["error", "deadline_exceeded", 504]);
    assert.ok(problem(last.data));
    assert.ok(events.length > 0 && events.every(({ event }) => event === "step"));
    assert.ok(await metric(tight.url, 'tdi_requests_total{route="/summarize",task="summarize",status="504"} 1'));
  });

  test("a comment keeps a waiting connection alive; from then on an error is an event", async (t) => {
    const eager = await startFake({ heartbeatMs: 20, deadlineMs: 500 });
    t.after(() => eager.close());
    // Its first step event would come long after the deadline.
    const waited = await (await eager.post("/paraphrase", { text: "slow", steps: 100, stream_every: 100 }, EVENTS)).text();
    assert.match(waited, /^(: heartbeat\n\n)+event: error\ndata: \{.*"code":"deadline_exceeded".*\}\n\n$/);
  });
});

describe("an event stream", () => {
  class FakeReply extends EventEmitter {
    chunks: string[] = [];
    writableNeedDrain = false;
    status = () => this;
    set = () => this;
    vary = () => this;
    write = (chunk: string) => this.chunks.push(chunk);
    end = () => this;
  }

  test("skips snapshots, not the end, while the client does not read", () => {
    const reply = new FakeReply();
    const stream = new EventStream(reply as unknown as Reply, 60_000);
    stream.snapshot("step", 1);
    reply.writableNeedDrain = true;
    stream.snapshot("step", 2);
    stream.end("result", 3);
    assert.deepEqual(reply.chunks, ["event: step\ndata: 1\n\n", "event: result\ndata: 3\n\n"]);
  });
});
