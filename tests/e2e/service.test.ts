import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { BundleSummary, StepEvent, TextResult } from "../../src/engine/contract.js";
import { checkReply } from "../contract/contract.js";
import { readEvents } from "../fixtures/events.js";
import { until } from "../fixtures/fake-service.js";
import { spawnServer, type ServerProcess } from "../fixtures/server-process.js";
import { ARTICLE, contentWords, looksEnglish, QUESTIONS, SLIPPING, words } from "./texts.js";

interface Reply {
  model: string;
  seed: number;
  results: TextResult[];
  used: { steps: number; num_candidates: number; best_of: number; seed: number };
}

interface Problem {
  code: string;
  detail: string;
  errors: { field: string; message: string }[];
}

describe("the service with its embedded bundles", () => {
  let server: ServerProcess;
  let url: string;

  before(async () => {
    server = spawnServer("scripts/start.mjs", ["--port", "0", "--deadline-ms", "600000"]);
    url = await server.url();
    await until(async () => {
      if (server.child.exitCode !== null) throw new Error(`the server ended: ${JSON.stringify(server.lines.at(-1))}`);
      return (await fetch(`${url}/health/ready`)).status === 200;
    }, 120_000);
  });
  after(() => server?.child.kill("SIGKILL"));

  /** Posts, holds the reply to openapi.yaml and gives its body. */
  async function post<T>(path: string, status: number, body: object): Promise<T> {
    const response = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const copy = response.clone();
    await checkReply("post", path, response);
    assert.equal(copy.status, status);
    return (await copy.json()) as T;
  }
  const paraphrase = (body: object) => post<Reply>("/paraphrase", 200, body);
  const summarize = (body: object) => post<Reply>("/summarize", 200, body);

  async function bundle(task: string): Promise<BundleSummary> {
    const { bundles } = (await (await fetch(`${url}/info`)).json()) as { bundles: BundleSummary[] };
    return bundles.find((each) => each.task === task)!;
  }

  test("/info tells of a bundle for each task, in the documented form", async () => {
    await checkReply("get", "/info", await fetch(`${url}/info`));
    for (const task of ["paraphrase", "summarize"]) assert.equal((await bundle(task)).language, "en");
  });

  test("/paraphrase gives English that depends on its source", async () => {
    const { results } = await paraphrase({ text: QUESTIONS, seed: 7 });
    const texts = results.map((result) => result.text);
    for (const text of texts) assert.ok(looksEnglish(text), text);
    assert.equal(new Set(texts).size, QUESTIONS.length);
    // A word of its own subject in most of the results: the texts are about their sources.
    const related = texts.filter((text, index) => words(text).some((word) => contentWords(QUESTIONS[index]!).has(word)));
    assert.ok(related.length >= 3, texts.join(" | "));
  });

  test("/summarize gives English that depends on its source and is shorter", async () => {
    const other = QUESTIONS.map((question) => `${question} Many readers asked this and nobody had an answer for them.`).join(" ");
    const { results } = await summarize({ text: [ARTICLE, other], seed: 7 });
    const [first, second] = results.map((result) => result.text) as [string, string];
    assert.ok(looksEnglish(first), first);
    assert.ok(looksEnglish(second), second);
    assert.notEqual(first, second);
    assert.ok(words(first).length < words(ARTICLE).length);
  });

  test("the same seed gives the same text, and what was drawn can be had again", async () => {
    const request = { text: QUESTIONS[0], seed: 11, num_candidates: 2 };
    assert.deepEqual((await paraphrase(request)).results, (await paraphrase(request)).results);
    const drawn = await summarize({ text: ARTICLE });
    assert.deepEqual((await summarize({ text: ARTICLE, seed: drawn.seed })).results, drawn.results);
  });

  test("results come in the order of the texts", async () => {
    const forward = await paraphrase({ text: QUESTIONS, seed: 3 });
    const backward = await paraphrase({ text: [...QUESTIONS].reverse(), seed: 3 });
    assert.deepEqual(backward.results.map((result) => result.text).reverse(), forward.results.map((result) => result.text));
  });

  test("a text alone and among others gives the same result", async () => {
    const together = await paraphrase({ text: QUESTIONS, seed: 5 });
    const alone = await paraphrase({ text: QUESTIONS[1], seed: 5 });
    assert.equal(alone.results[0]!.text, together.results[1]!.text);
  });

  test("the bundle's number of samples is drawn where none is asked for, and the best of them come back", async () => {
    const { defaults } = await bundle("paraphrase");
    // Without novelty, which samples get by when they are drawn, they are the same however many are drawn first.
    const request = { text: QUESTIONS, seed: 2, novelty: 0 };
    const { results, used } = await paraphrase(request);
    assert.deepEqual([used.best_of, used.num_candidates], [defaults.best_of, 1]);
    const half = await paraphrase({ ...request, best_of: 4, ranking: "quality" });
    const [all, two, one] = [await paraphrase({ ...request, num_candidates: 4, best_of: 4, ranking: "quality" }), await paraphrase({ ...request, num_candidates: 2, best_of: 4, ranking: "quality" }), await paraphrase({ ...request, best_of: 1 })];
    // Half of the samples are drawn first, and no more where they hold a sound one.
    half.results.forEach(({ text, candidates, usage }, index) => {
      if (usage.samples === 4) assert.equal(text, all.results[index]!.text);
      else assert.deepEqual([usage.samples, candidates[0]!.is_copy, candidates[0]!.finish_reason], [2, false, "stop"]);
    });
    for (const { usage } of one.results) assert.equal(usage.samples, 1);
    all.results.forEach(({ candidates, usage }, index) => {
      assert.equal(usage.samples, 4);
      if (two.results[index]!.usage.samples === 4) assert.deepEqual(two.results[index]!.candidates, candidates.slice(0, 2));
      for (const { similarity } of candidates) assert.ok(similarity !== undefined && similarity > 0 && similarity <= 1, String(similarity));
    });
    for (const { candidates } of one.results) assert.deepEqual(candidates.map(({ count }) => count), [1]);
    assert.ok(results.every(({ candidates }) => candidates.length === 1));
    // What is its source again means the same as its source.
    const copies = all.results.flatMap(({ candidates }) => candidates.filter((candidate) => candidate.is_copy));
    for (const { similarity } of copies) assert.ok(similarity! > 0.95);
  });

  test("candidates: as many as asked for, the first is the result, copies are marked and come last", async () => {
    const { results, used } = await paraphrase({ text: QUESTIONS, num_candidates: 4, best_of: 4, ranking: "mbr", seed: 1 });
    assert.equal(used.num_candidates, 4);
    const plain = (text: string) => words(text).join(" ");
    results.forEach(({ text, candidates }, index) => {
      assert.equal(candidates.reduce((sum, candidate) => sum + candidate.count, 0), 4);
      assert.equal(candidates[0]!.text, text);
      for (const candidate of candidates) assert.equal(candidate.is_copy, plain(candidate.text) === plain(QUESTIONS[index]!), candidate.text);
      const firstCopy = candidates.findIndex((candidate) => candidate.is_copy);
      assert.ok(firstCopy === -1 || candidates.slice(firstCopy).every((candidate) => candidate.is_copy));
    });
  });

  test("usage counts what was read and done", async () => {
    const { limits } = await bundle("paraphrase");
    for (const canvas of limits.canvases) {
      const { results, used } = await paraphrase({ text: QUESTIONS[0], steps: 3, canvas, seed: 1 });
      const { usage } = results[0]!;
      assert.deepEqual([usage.steps, used.steps, usage.canvas, usage.truncated_tokens], [3, 3, canvas, 0]);
      assert.ok(usage.source_tokens >= words(QUESTIONS[0]!).length && usage.source_tokens <= limits.source_tokens);
      assert.ok(usage.output_tokens > 0 && usage.output_tokens <= canvas);
    }
  });

  test("over the words asked for, the finish reason says so", async () => {
    const { results } = await paraphrase({ text: QUESTIONS[3], max_words: 4, num_candidates: 3, seed: 1 });
    for (const { text, finish_reason: reason } of results[0]!.candidates) assert.ok(text.split(/\s+/).length <= 4 || reason === "max_words", text);
  });

  test("an over-long text is refused with the counts, or cut when that is asked for", async () => {
    for (const path of ["/paraphrase", "/summarize"]) {
      const text = Array(12).fill(ARTICLE).join(" ");
      const problem = await post<Problem>(path, 422, { text });
      assert.deepEqual([problem.code, problem.errors.map((error) => error.field)], ["text_too_long", ["text"]]);
      const { source_tokens: limit } = (await bundle(path.slice(1))).limits;
      const counts = `${problem.detail} ${problem.errors[0]!.message}`.match(/\d+/g)?.map(Number) ?? [];
      assert.ok(counts.includes(limit) && counts.some((count) => count > limit), problem.detail);
      const { results } = await post<Reply>(path, 200, { text, truncation: "end", seed: 1 });
      assert.ok(results[0]!.usage.truncated_tokens > 0);
      assert.ok(results[0]!.usage.source_tokens <= limit);
    }
    const among = await post<Problem>("/paraphrase", 422, { text: [QUESTIONS[0], Array(4).fill(ARTICLE).join(" ")] });
    assert.equal(among.errors[0]?.field, "text[1]");
  });

  test("a long article is read by its sentences, and what was left out is counted", async () => {
    const { results } = await post<Reply>("/summarize", 200, { text: ARTICLE, seed: 1 });
    const { source_tokens: read, unselected_tokens: left, truncated_tokens: cut } = results[0]!.usage;
    assert.ok(read > 2 && left > 0 && cut === 0, JSON.stringify(results[0]!.usage));
    const unbroken = ARTICLE.replace(/[.!?\n]/g, " ").repeat(3);
    const { limits } = await bundle("summarize");
    const problem = await post<Problem>("/summarize", 422, { text: unbroken });
    assert.equal(problem.code, "text_too_long");
    assert.match(problem.detail, new RegExp(`limit of ${limits.read_tokens}`));
  });

  test("what cannot be read or summarised is refused", async () => {
    const unreadable = await post<Problem>("/paraphrase", 422, { text: "ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ ᚠᚢᚦᚨᚱᚲ ᐃᓄᒃᑎᑐᑦ 🜁🜂🜃🜄" });
    assert.equal(unreadable.code, "text_unreadable");
    const short = await post<Problem>("/summarize", 422, { text: "Too short." });
    assert.equal(short.code, "text_too_short");
  });

  test("a task's steps and guidance can be chosen, a solver too", async () => {
    const reply = await paraphrase({ text: QUESTIONS[2], steps: 5, guidance: 0, solver: "euler_ode", seed: 2 });
    const { used } = reply as unknown as { used: Record<string, unknown> };
    assert.deepEqual([used["steps"], used["guidance"], used["solver"]], [5, 0, "euler_ode"]);
  });

  test("novelty changes the samples and is told; without it they are those of the same seed again", async () => {
    const request = { text: QUESTIONS, seed: 2, best_of: 1 };
    const [least, most] = [await paraphrase({ ...request, novelty: 0 }), await paraphrase({ ...request, novelty: 0.4 })];
    assert.deepEqual([least, most].map(({ used }) => (used as unknown as { novelty: number }).novelty), [0, 0.4]);
    assert.deepEqual((await paraphrase({ ...request, novelty: 0 })).results, least!.results);
    // A text may come out the same; how sure the decoder is of it does not.
    assert.notDeepEqual(most!.results, least!.results);
  });

  test("what reads badly is revised, which the usage and the last event of its row tell, unless that is turned off", async () => {
    const revised = [];
    for (const text of SLIPPING) {
      const body = { text, seed: 5, stream_every: 4 };
      const [plain] = (await paraphrase({ ...body, revisions: 0 })).results;
      const response = await fetch(`${url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json", accept: "text/event-stream" }, body: JSON.stringify(body) });
      const events = await readEvents(response);
      const [result] = (events.pop()!.data as unknown as { results: TextResult[] }).results;
      const ends = events.map(({ data }) => data as unknown as StepEvent).filter(({ step, steps }) => step === steps);
      assert.ok(ends.some((event) => event.text === result!.text), result!.text);
      // What can be revised needs no further samples.
      assert.ok(plain!.usage.revisions === 0 && plain!.usage.samples >= result!.usage.samples);
      if (result!.text !== plain!.text) revised.push(result!.usage.revisions);
    }
    assert.ok(revised.length > 0 && revised.every((times) => times > 0), `${revised}`);
  });

  test("a statement that the model has no other words for comes back as it is, marked as a copy, and not broken", async () => {
    // Before such samples were judged wrong: "Not people likes surprises", "Dogs can hear sounds that people not", "Bus 47 stops here at 20 minutes."
    const text = ["Not everyone likes surprises.", "Dogs can hear sounds that people cannot.", "Bus 47 stops here every 20 minutes."];
    const copies = (await paraphrase({ text, seed: 0 })).results.filter(({ candidates }) => candidates[0]!.is_copy);
    assert.ok(copies.length >= 2, `${copies.length} copies`);
  });

  test("a single sample is revised where that is asked for", async () => {
    const body = { text: SLIPPING, seed: 5, best_of: 1 };
    const [plain, mended] = [await paraphrase(body), await paraphrase({ ...body, revisions: 3 })];
    assert.deepEqual([plain, mended].map(({ used }) => (used as unknown as { revisions: number }).revisions), [0, 3]);
    const counts = ({ results }: typeof plain) => results.map(({ usage }) => usage.revisions);
    assert.ok(counts(plain).every((times) => times === 0) && counts(mended).some((times) => times > 0), `${counts(plain)} ${counts(mended)}`);
    assert.notDeepEqual(mended.results.map(({ text }) => text), plain.results.map(({ text }) => text));
  });

  test("a stream tells what each candidate reads as, then the reply that JSON would give", async () => {
    const body = { text: QUESTIONS[0], num_candidates: 2, seed: 4, steps: 6, stream_every: 2 };
    const response = await fetch(`${url}/paraphrase`, { method: "POST", headers: { "content-type": "application/json", accept: "text/event-stream" }, body: JSON.stringify(body) });
    const events = await readEvents(response);
    const last = events.pop()!;
    assert.equal(last.event, "result");
    const { results } = await paraphrase(body);
    assert.deepEqual(last.data["results"], results);
    const steps = events.map(({ data }) => data as unknown as StepEvent);
    for (const candidate of [0, 1]) {
      // A revised one is told once more at its end.
      const mine = steps.filter((step, at) => step.candidate === candidate && !steps.slice(0, at).some((before) => before.candidate === candidate && before.step === step.step));
      assert.deepEqual(mine.map(({ step }) => step), [2, 4, 6]);
      assert.ok(mine.every(({ t }, index) => index === 0 || t < mine[index - 1]!.t));
    }
    // Near-duplicates are merged, so a row may have no candidate of its own; every candidate is what some row read as at its end.
    const ends = [...new Map(steps.filter(({ step }) => step === 6).map(({ candidate, text }) => [candidate, text])).values()];
    const { candidates } = results[0]!;
    const told = candidates.reduce((rows, { count }) => rows + count, 0);
    assert.ok(candidates.length === body.num_candidates ? told <= ends.length : told === ends.length, `${told} of ${ends.length}`);
    for (const { text } of candidates) assert.ok(ends.includes(text), text);
  });

  test("metrics count what was done", async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const value = (name: string) => Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? 0);
    for (const task of ["paraphrase", "summarize"]) {
      assert.ok(value(`tdi_requests_total{route="/${task}",task="${task}",status="200"}`) >= 3);
      assert.ok(value(`tdi_denoising_step_duration_seconds_count{task="${task}"}`) >= 3);
      assert.ok(value(`tdi_source_tokens_sum{task="${task}"}`) > 0);
      assert.ok(value(`tdi_output_tokens_sum{task="${task}"}`) > 0);
      assert.ok(value(`tdi_truncated_tokens_total{task="${task}"}`) > 0);
    }
    assert.equal(value("tdi_engine_ready"), 1);
    assert.equal(value('tdi_engine_restarts_total{reason="crash"}'), 0);
  });

  test("engine processes killed in the middle of a batch: the same texts as without, and in company", async () => {
    const asked = QUESTIONS.map((text, index) => ({ text, seed: index, steps: 12 + 4 * index, num_candidates: 1 + (index % 2) }));
    const alone: TextResult[][] = [];
    for (const body of asked) alone.push((await paraphrase(body)).results);
    const together = asked.map((body) => paraphrase(body));
    const rowsInFlight = async () => Number(/^tdi_in_flight_rows (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);
    await until(async () => (await rowsInFlight()) > 0);
    for (const { msg, pid } of server.lines) if (msg === "engine ready") process.kill(pid as number, "SIGKILL");
    assert.deepEqual((await Promise.all(together)).map(({ results }) => results), alone);
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^tdi_engine_restarts_total\{reason="crash"\} [1-9]/m);
  });

  test("SIGTERM ends it with exit code 0", async () => {
    server.child.kill("SIGTERM");
    assert.equal(await server.exit(), 0);
  });
});
