import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
// By the name a user imports: the package's own exports lead to the compiled client.
import { createClient, TdiApiError, type BatchAnswer, type BatchRequest, type StreamEvent } from "text-diffusion-inference/client";
import { projectPath } from "../../src/project.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: `urn:tdi:error:${code}`, title: "T", status, detail: "d", code, request_id: "r" }), { status, headers: { "content-type": "application/problem+json", ...headers } });

describe("the client and the running server", () => {
  let service: FakeService;
  let client: ReturnType<typeof createClient>;
  before(async () => {
    service = await startFake();
    client = createClient({ baseUrl: `${service.url}/`, retries: 0 });
  });
  after(() => service.close());

  test("its types are those of openapi.yaml", async () => {
    const { clientTypes } = (await import(pathToFileURL(projectPath("scripts/client-types.mjs")).href)) as { clientTypes: () => Promise<string> };
    assert.equal(readFileSync(projectPath("src/client/types.ts"), "utf8"), await clientTypes(), "run npm run client-types");
  });

  test("replies", async () => {
    const reply = await client.paraphrase({ text: ["One.", "Two."], num_candidates: 2, seed: 7 });
    assert.deepEqual([reply.results.length, reply.results[0]!.candidates.length, reply.seed], [2, 2, 7]);
    assert.match((await client.summarize({ text: "One." })).results[0]!.text, /^summarize /);
    assert.equal((await client.info()).bundles.length, 2);
    assert.equal(await client.ready(), true);
    assert.equal(await createClient({ baseUrl: "http://127.0.0.1:9" }).ready(), false);
  });

  test("an error is the server's problem document", async () => {
    await assert.rejects(client.paraphrase({ text: "", steps: 0 }), (error: TdiApiError) => {
      assert.ok(error instanceof TdiApiError);
      assert.deepEqual([error.status, error.code, error.faults.map(({ field }) => field).sort()], [422, "invalid_request", ["steps", "text"]]);
      return true;
    });
  });

  test("a stream: steps, then the result", async () => {
    const events: StreamEvent[] = [];
    for await (const event of client.stream("paraphrase", { text: "One.", steps: 3, seed: 1, stream_every: 1 })) events.push(event);
    assert.deepEqual(events.map(({ event }) => event), ["step", "step", "step", "result"]);
    const plain = await client.paraphrase({ text: "One.", steps: 3, seed: 1 });
    const last = events.at(-1)!;
    assert.ok(last.event === "result");
    assert.deepEqual(last.data.results, plain.results);
  });

  test("an error inside a stream is thrown", async (t) => {
    const tight = await startFake({ deadlineMs: 400 });
    t.after(() => tight.close());
    const seen: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { event } of createClient({ baseUrl: tight.url }).stream("paraphrase", { text: "slow", steps: 100, stream_every: 1 })) seen.push(event);
      },
      (error: TdiApiError) => error.code === "deadline_exceeded" && error.status === 504,
    );
    assert.ok(seen.length > 0 && seen.every((event) => event === "step"));
  });

  test("leaving the loop and aborting both free the rows", async () => {
    const cancelled = async (count: number) =>
      until(async () => (await (await fetch(`${service.url}/metrics`)).text()).includes(`tdi_cancelled_total{reason="client_gone"} ${count}\n`));
    for await (const { event } of client.stream("paraphrase", { text: "slow", steps: 100, stream_every: 1 })) {
      assert.equal(event, "step");
      break;
    }
    await cancelled(1);
    const abort = new AbortController();
    const reply = client.paraphrase({ text: "slow", steps: 100 }, { signal: abort.signal });
    await until(async () => (await (await fetch(`${service.url}/metrics`)).text()).includes("tdi_in_flight_rows 1\n"));
    abort.abort(new Error("enough"));
    await assert.rejects(reply, /enough/);
    await cancelled(2);
  });
});

describe("batches", () => {
  let service: FakeService;
  let client: ReturnType<typeof createClient>;
  before(async () => {
    service = await startFake();
    client = createClient({ baseUrl: service.url, retries: 0 });
  });
  after(() => service.close());

  test("a batch: an answer for each request, in order, its result or its own error", async () => {
    const requests: BatchRequest[] = [
      { task: "paraphrase", text: "One.", seed: 7, id: "a" },
      { task: "summarize", text: "too-long text", id: 2 },
      { task: "paraphrase", text: "Three." },
    ];
    const answers: BatchAnswer[] = [];
    for await (const answer of client.batch(requests.values())) answers.push(answer);
    assert.deepEqual(answers.map((answer) => [answer.line, answer.id, "error" in answer ? answer.error.code : "ok"]), [[1, "a", "ok"], [2, 2, "text_too_long"], [3, undefined, "ok"]]);
    const [first] = answers;
    assert.ok(first && "result" in first);
    assert.deepEqual(first.result.results, (await client.paraphrase({ text: "One.", seed: 7 })).results);
    for await (const _ of client.batch([])) assert.fail("there was nothing to answer");
  });

  test("a batch that is left or aborted ends, and a server that cannot take it is thrown", async () => {
    const requests = Array.from({ length: 20 }, (): BatchRequest => ({ task: "paraphrase", text: "slow", steps: 50 }));
    const idle = async () => until(async () => (await (await fetch(`${service.url}/metrics`)).text()).includes("tdi_in_flight_rows 0\n"));
    let seen = 0;
    for await (const { line } of client.batch(requests)) {
      seen = line;
      break;
    }
    assert.equal(seen, 1);
    await idle();
    const abort = new AbortController();
    await assert.rejects(async () => {
      for await (const _ of client.batch(requests, { signal: abort.signal })) abort.abort(new Error("enough"));
    }, /enough/);
    await idle();
    const tight = await startFake({ maxBatchBytes: 100 });
    await assert.rejects(
      async () => {
        for await (const _ of createClient({ baseUrl: tight.url }).batch(requests)) assert.fail("the batch is over the limit");
      },
      (error: TdiApiError) => error.code === "body_too_large" && error.status === 413,
    );
    await tight.close();
  });
});

describe("retries", () => {
  /** A client whose server gives these replies in turn; a string is a failed connection. */
  const scripted = (replies: (Response | string)[], options = {}) => {
    const sent: string[] = [];
    const fetch = (async (_url: string, init: RequestInit) => {
      sent.push(String(init.body));
      const next = replies.shift()!;
      if (typeof next === "string") throw new TypeError(next);
      return next;
    }) as unknown as typeof globalThis.fetch;
    return { sent, client: createClient({ baseUrl: "http://server", fetch, ...options }) };
  };
  const ok = () => Response.json({ model: "m" });
  const request = { text: "One." };

  test("wait for the seconds in Retry-After", async (t) => {
    mock.timers.enable({ apis: ["setTimeout"] });
    t.after(() => mock.timers.reset());
    const { client, sent } = scripted([problem(503, "queue_full", { "retry-after": "7" }), problem(429, "queue_full", { "retry-after": "2" }), ok()]);
    const reply = client.paraphrase(request);
    const settle = async () => {
      for (let turns = 0; turns < 20; turns += 1) await turn();
    };
    await settle();
    mock.timers.tick(6_999);
    await settle();
    assert.equal(sent.length, 1);
    mock.timers.tick(1);
    await settle();
    assert.equal(sent.length, 2);
    mock.timers.tick(2_000);
    assert.equal((await reply).model, "m");
    assert.equal(new Set(sent).size, 1);
  });

  test("a failed connection is tried again, as often as asked", async () => {
    const again = scripted(["down", "down", ok()]);
    assert.equal((await again.client.paraphrase(request)).model, "m");
    const once = scripted(["down", ok()], { retries: 0 });
    await assert.rejects(once.client.paraphrase(request), /down/);
    assert.equal(once.sent.length, 1);
  });

  test("what cannot get better is thrown at once", async () => {
    for (const reply of [problem(422, "invalid_request"), problem(500, "internal"), problem(503, "queue_full", { "retry-after": "3600" }), new Response("<html>", { status: 502 })]) {
      const { client, sent } = scripted([reply, ok()]);
      await assert.rejects(client.summarize(request), (error: TdiApiError) => error.status === reply.status);
      assert.equal(sent.length, 1);
    }
  });

  test("of a batch send the same lines; one that breaks off is not taken for whole", async () => {
    const lines = '{"line":1,"error":{"code":"internal"}}\n{"line":2,"err';
    const { client, sent } = scripted([problem(503, "not_ready", { "retry-after": "0" }), new Response(`${lines}or":{}}\n`), new Response('{"line":1,"error":{}}\n')]);
    const both = [{ task: "paraphrase", text: "One." }, { task: "paraphrase", text: "Two." }] as const;
    const seen: number[] = [];
    for await (const { line } of client.batch(both.values())) seen.push(line);
    assert.deepEqual([seen, new Set(sent).size, sent[0]!.split("\n").length], [[1, 2], 1, 2]);
    await assert.rejects(async () => {
      for await (const { line } of client.batch(both)) seen.push(line);
    }, /ended after 1 of 2 answers/);
  });

  test("an abort ends the wait", async () => {
    const abort = new AbortController();
    const { client, sent } = scripted([problem(503, "not_ready", { "retry-after": "30" }), ok()]);
    const reply = client.paraphrase(request, { signal: abort.signal });
    await until(() => sent.length === 1);
    abort.abort(new Error("enough"));
    await assert.rejects(reply, /enough/);
  });
});
