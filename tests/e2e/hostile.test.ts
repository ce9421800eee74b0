import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TextResult } from "../../src/engine/contract.js";
import { checkReply } from "../contract/contract.js";
import { until } from "../fixtures/fake-service.js";
import { HOSTILE } from "../fixtures/hostile.js";
import { spawnServer, type ServerProcess } from "../fixtures/server-process.js";
import { ARTICLE, QUESTIONS } from "./texts.js";

interface Reply {
  code?: string;
  seed: number;
  results: TextResult[];
}

describe("hostile text, through the embedded bundles", () => {
  let server: ServerProcess;
  let url: string;

  before(async () => {
    server = spawnServer("dist/src/main.js", ["--port", "0", "--engines", "1", "--deadline-ms", "600000", "--max-text-characters", "2000000", "--max-body-bytes", "20000000"]);
    url = await server.url();
    await until(async () => (await fetch(`${url}/health/ready`)).status === 200, 300_000);
  });
  after(() => server?.child.kill("SIGKILL"));

  /** Posts, holds the reply to openapi.yaml, and to what holds of every text: no 5xx. */
  async function ask(path: string, body: object): Promise<{ status: number; reply: Reply }> {
    const response = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const copy = response.clone();
    await checkReply("post", path, response);
    assert.ok(copy.status === 200 || copy.status === 422, `${copy.status} for ${JSON.stringify(body).slice(0, 80)}`);
    return { status: copy.status, reply: (await copy.json()) as Reply };
  }

  /** What a reader of English text can be expected to read: nothing dropped or unknown in it. */
  const PLAIN = /^[\x20-\x7e\r\n]*$/;

  test("is answered or refused, never a 5xx; what was not read is told", async () => {
    for (const [what, text] of Object.entries(HOSTILE)) {
      const { status, reply } = await ask("/paraphrase", { text, seed: 1, steps: 2, truncation: "end" });
      if (status === 422) assert.ok(["text_unreadable", "invalid_request"].includes(reply.code!), what);
      else {
        const { warnings, candidates } = reply.results[0]!;
        // A name that the text writes out, format characters within it or not, is read as characters, and may be written again as such; no other may come.
        const seen = text.replace(/\p{Cf}/gu, "");
        for (const candidate of candidates) for (const [name] of candidate.text.matchAll(/\[(PAD|SEP|CLS|MASK|UNK)\]/g)) assert.ok(seen.includes(name), what);
        // Accents come back from the source, so a mark over a letter is not lost; all else outside ASCII here is.
        const lost = !PLAIN.test(text.normalize("NFD").replace(/\p{M}|[\u0085\u2028\u2029]/gu, ""));
        if (lost) assert.notEqual(warnings.length, 0, what);
      }
    }
  });

  test("a written-out special token is read as its characters, and ends or hides nothing", async () => {
    const result = async (text: string) => (await ask("/paraphrase", { text, seed: 3, steps: 4, best_of: 1 })).reply.results[0]!;
    for (const token of ["[MASK]", "[SEP]", "[CLS]", "[PAD]", "[UNK]"]) {
      const asToken = await result(`What is the best ${token} way to lose weight quickly?`);
      const asText = await result(`What is the best [ ${token.slice(1, -1)} ] way to lose weight quickly?`);
      assert.equal(asToken.usage.source_tokens, asText.usage.source_tokens, token);
      assert.ok(asToken.usage.source_tokens >= 15);
      assert.deepEqual([asToken.candidates[0]!.score, asToken.usage], [asText.candidates[0]!.score, asText.usage], token);
    }
    // Lower case has never been a special token: both are the same tokens, so the same numbers.
    const [upper, lower] = [await result("Why do people [SEP] believe in astrology?"), await result("Why do people [sep] believe in astrology?")];
    assert.deepEqual(upper.candidates[0]!.score, lower.candidates[0]!.score);
  });

  test("hostile neighbours in a request change nothing for a text", async () => {
    const alone = (await ask("/paraphrase", { text: QUESTIONS[0], seed: 5, steps: 3 })).reply.results[0]!;
    const among = await ask("/paraphrase", { text: [HOSTILE["special tokens among words"], QUESTIONS[0], HOSTILE["a prompt"]], seed: 5, steps: 3 });
    assert.deepEqual(among.reply.results[1], alone);
    const refused = await ask("/paraphrase", { text: [QUESTIONS[0], HOSTILE["zero width only"]], seed: 5, steps: 3 });
    assert.equal(refused.status, 422);
  });

  test("a word of 100,000 letters and a text of a million characters: refused with the counts, or cut and told", async () => {
    const word = await ask("/paraphrase", { text: "a".repeat(100_000), steps: 1 });
    assert.deepEqual([word.status, word.reply.code], [422, "text_unreadable"]);
    const among = await ask("/paraphrase", { text: `What does ${"ab".repeat(50_000)} mean in English?`, steps: 1 });
    assert.deepEqual([among.status, among.reply.results[0]!.warnings.map(({ code }) => code)], [200, ["unknown_tokens"]]);
    const long = `${ARTICLE} `.repeat(Math.ceil(1_000_000 / (ARTICLE.length + 1)));
    assert.ok(long.length >= 1_000_000);
    const whole = await ask("/summarize", { text: long, steps: 1 });
    assert.deepEqual([whole.status, whole.reply.code], [422, "text_too_long"]);
    const cut = await ask("/summarize", { text: long, steps: 1, truncation: "end" });
    assert.equal(cut.status, 200);
    assert.ok(cut.reply.results[0]!.usage.truncated_tokens > 100_000);
    assert.deepEqual(cut.reply.results[0]!.warnings.map(({ code }) => code), ["truncated"]);
    const marks = await ask("/paraphrase", { text: `How can I ${"\u0301".repeat(1_000_000)} learn?`, steps: 1 });
    assert.equal(marks.status, 200);
  });

  test("empty, blank, NUL, lone surrogates, over the limit: 422 that names the field", async () => {
    for (const text of ["", " ", "\n\t\u00a0\u3000", "a\0b", "\ud800", "a\udc00b", "\ud83d", "x".repeat(2_000_001)]) {
      const { status, reply } = await ask("/paraphrase", { text });
      assert.deepEqual([status, reply.code, (reply as unknown as { errors: { field: string }[] }).errors[0]!.field], [422, "invalid_request", "text"]);
    }
  });

  test("the engine process has not been replaced, and the log holds nothing of it", async () => {
    assert.doesNotMatch(await (await fetch(`${url}/metrics`)).text(), /^tdi_engine_restarts_total\{.*\} [1-9]/m);
    assert.doesNotMatch(JSON.stringify(server.lines) + server.errors(), /alert\(|previous instructions|passwd|guitar/);
  });
});
