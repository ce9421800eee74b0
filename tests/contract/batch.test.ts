import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { mapOrdered } from "../../src/ordered.js";
import { startFake, until, type FakeService } from "../fixtures/fake-service.js";
import { validator } from "./contract.js";

const answerSchema = validator({ $ref: "#/components/schemas/BatchAnswer" });

interface Answer {
  line: number;
  id?: unknown;
  result?: { results: { text: string }[]; seed: number };
  error?: { code: string };
}

function batch(service: FakeService, lines: (object | string)[], signal?: AbortSignal): Promise<Response> {
  const body = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  return fetch(`${service.url}/batch`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body, ...(signal && { signal }) });
}

async function answers(response: Promise<Response>): Promise<Answer[]> {
  const text = await (await response).text();
  return text.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line) as Answer);
}

async function metric(service: FakeService, name: string): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? 0);
}

const slow = (count: number) => Array.from({ length: count }, (_, id) => ({ task: "paraphrase", text: `slow ${id}`, steps: 5, id }));

describe("a batch", () => {
  let service: FakeService;
  before(async () => {
    service = await startFake({ batchLines: 2 });
  });
  after(() => service.close());

  test("each line has its own result or error, in order, as if it had been sent alone", async () => {
    const lines = [
      { task: "paraphrase", text: "One.", seed: 7, id: "a" },
      "nope",
      { task: "summarize", text: ["One.", "Two."], seed: 7 },
      "",
      { task: "paraphrase", text: "too-long text", id: 5 },
      { task: "dance", text: "One.", id: 6 },
      { task: "paraphrase", text: "One.", steps: 0 },
      { task: "paraphrase", text: "boom" },
      "[]",
      { task: "paraphrase", text: "One.", id: {} },
    ];
    const got = await answers(batch(service, lines));
    for (const answer of got) assert.ok(answerSchema(answer), JSON.stringify([answer, answerSchema.errors]));
    assert.deepEqual(
      got.map(({ line, id, error }) => [line, id, error?.code]),
      [
        [1, "a", undefined],
        [2, undefined, "malformed_json"],
        [3, undefined, undefined],
        [5, 5, "text_too_long"],
        [6, 6, "invalid_request"],
        [7, undefined, "invalid_request"],
        [8, undefined, "internal"],
        [9, undefined, "invalid_request"],
        [10, undefined, "invalid_request"],
      ],
    );
    const alone = (await (await service.post("/paraphrase", { text: "One.", seed: 7 })).json()) as Answer["result"];
    assert.deepEqual(got[0]!.result!.results, alone!.results);
    assert.equal(got[2]!.result!.results.length, 2);
    assert.equal(await metric(service, 'tdi_batch_lines_total{task="paraphrase",code="ok"}'), 1);
    assert.equal(await metric(service, 'tdi_batch_lines_total{task="paraphrase",code="text_too_long"}'), 1);
    assert.deepEqual(await answers(batch(service, [])), []);
  });

  test("gives way: few lines are in the engine, and an interactive request overtakes the rest", async () => {
    const order: string[] = [];
    const batches = Promise.all([1, 2].map(async (each) => (await answers(batch(service, slow(8)))).forEach(() => order.push(`batch ${each}`))));
    await until(async () => (await metric(service, "tdi_in_flight_rows")) > 0);
    const most: number[] = [];
    const interactive = service.post("/paraphrase", { text: "slow", steps: 5 }).then(() => order.push("interactive"));
    for (let looks = 0; looks < 10; looks += 1) most.push((await metric(service, "tdi_in_flight_rows")) + (await metric(service, "tdi_queue_rows")));
    await Promise.all([batches, interactive]);
    assert.equal(order[0], "interactive");
    assert.equal(order.length, 17);
    assert.ok(Math.max(...most) <= 3, most.join(" "));
  });

  test("a client that leaves cancels the rest", async () => {
    const before = await metric(service, 'tdi_batch_lines_total{task="paraphrase",code="ok"}');
    const leave = new AbortController();
    const reader = (await batch(service, slow(50), leave.signal)).body!.getReader();
    await reader.read();
    leave.abort();
    await until(async () => (await metric(service, "tdi_in_flight_rows")) === 0 && (await metric(service, "tdi_queue_rows")) === 0);
    assert.ok((await metric(service, 'tdi_batch_lines_total{task="paraphrase",code="ok"}')) - before < 50);
    assert.equal((await answers(batch(service, slow(2)))).length, 2);
  });

  test("a full queue makes a line wait", async (t) => {
    const tight = await startFake({ maxQueuedRows: 1, maxClientRows: 1, maxRows: 1 });
    t.after(() => tight.close());
    const other = tight.post("/paraphrase", { text: "slow", steps: 20 });
    await until(async () => (await metric(tight, "tdi_in_flight_rows")) === 1);
    assert.deepEqual((await answers(batch(tight, slow(3)))).map(({ error }) => error), [undefined, undefined, undefined]);
    assert.equal((await other).status, 200);
  });
});

describe("mapping in order", () => {
  test("pulls no more than the limit ahead of its consumer, and gives results in the order of the items", async () => {
    let pulled = 0;
    function* items() {
      for (let item = 0; item < 10; item += 1) {
        pulled += 1;
        yield item;
      }
    }
    const results: number[] = [];
    for await (const result of mapOrdered(items(), 3, async (item) => {
      await new Promise((resume) => setTimeout(resume, 10 - item));
      return item;
    })) {
      results.push(result);
      assert.ok(pulled <= results.length + 2);
    }
    assert.deepEqual(results, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("a failure comes in its turn", async () => {
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const each of mapOrdered([1, 2, 3], 3, async (item) => (item === 2 ? Promise.reject(new Error("two")) : item))) seen.push(each);
    }, /two/);
    assert.deepEqual(seen, [1]);
  });
});
