import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import type { Candidate, StepEvent } from "../../src/client/index.js";
import { projectPath } from "../../src/project.js";
import { fromHash, START, toHash, toRequest, type Settings } from "../../web/settings.js";
import { curl, typescript } from "../../web/snippets.js";
import { level, pieces, rowsOf, withEvent, type Timeline } from "../../web/timeline.js";

const FULL: Settings = { task: "summarize", text: "Ça & là: 100 % #1 = \"it's\"\n+ more", steps: "20", guidance: "1.5", novelty: "0.25", revisions: "2", solver: "dpmpp_2m", candidates: "4", seed: "4294967295", maxWords: "30", grid: "logsnr", clampSteps: "0", bestOf: "6", ranking: "confidence", canvas: "32", truncation: "end" };

describe("a shared link", () => {
  test("holds every setting, and nothing that is as at the start", () => {
    assert.deepEqual(fromHash(`#${toHash(FULL)}`), FULL);
    assert.equal(toHash(START), "");
    assert.deepEqual(fromHash(""), START);
  });

  test("what is not valid in it is as at the start", () => {
    assert.deepEqual(fromHash("#task=delete&steps=1e9&w=-1&solver=best&n=x&seed=0x10&words=&rev=-1&grid=log&of=x&rank=best&clamp=-1&canvas=auto&cut=start&other=1"), START);
  });
});

describe("the request of the form", () => {
  test("leaves out what is left to the server", () => {
    assert.deepEqual(toRequest({ ...START, text: " A text. ", candidates: "1" }), { text: "A text." });
    assert.deepEqual(toRequest(FULL), { text: FULL.text, num_candidates: 4, best_of: 6, seed: 4294967295, steps: 20, guidance: 1.5, novelty: 0.25, revisions: 2, solver: "dpmpp_2m", max_words: 30, grid: "logsnr", clamp_steps: 0, ranking: "confidence", canvas: 32, truncation: "end" });
  });

  test("can have every field of the contract but the pace of the events, which is the page's own", () => {
    const { components } = parse(readFileSync(projectPath("openapi.yaml"), "utf8")) as { components: { schemas: { GenerateRequest: { properties: object } } } };
    const fields = Object.keys(components.schemas.GenerateRequest.properties).filter((field) => field !== "stream_every");
    assert.deepEqual(Object.keys(toRequest(FULL)).sort(), fields.sort());
  });

  test("as curl, a shell reads the very same JSON", () => {
    const request = toRequest(FULL);
    const script = `curl() { for each; do last=$each; done; printf %s "$last"; }\n${curl("http://host:1", "summarize", request)}`;
    assert.deepEqual(JSON.parse(execFileSync("sh", ["-c", script], { encoding: "utf8" })), request);
    assert.match(curl("http://host:1", "summarize", request), /^curl -s http:\/\/host:1\/summarize /);
  });

  test("as TypeScript, the argument is the very same object", () => {
    const request = toRequest(FULL);
    const [, argument] = /client\.summarize\(([^]*)\);\nconsole/.exec(typescript("http://host:1", "summarize", request))!;
    assert.deepEqual(new Function(`return ${argument}`)(), request);
  });
});

describe("the timeline", () => {
  const event = (candidate: number, step: number, text: string): StepEvent => ({ index: 0, candidate, step, steps: 4, t: 1 - step / 4, text, tokens: [] });
  const candidate = (text: string): Candidate => ({ text, score: 0.5, is_copy: false, finish_reason: "stop", count: 1 });
  const of = (...events: StepEvent[]) => events.reduce<Timeline>(withEvent, new Map());

  test("keeps the events of each row apart; a step told again replaces what followed it", () => {
    const timeline = of(event(0, 1, "a"), event(1, 1, "b"), event(0, 2, "c"), event(0, 3, "d"), event(0, 2, "e"));
    assert.deepEqual([...timeline].map(([row, events]) => [row, events.map(({ text }) => text).join("")]), [[0, "ae"], [1, "b"]]);
  });

  test("finds the row of each ranked candidate by how it ended", () => {
    const timeline = of(event(0, 4, "one two three"), event(1, 4, "four"), event(2, 4, "same"), event(3, 4, "same"));
    assert.deepEqual(rowsOf([candidate("four"), candidate("same"), candidate("one two"), candidate("same")], timeline), [1, 2, 0, 3]);
    assert.deepEqual(rowsOf([candidate("unheard of"), candidate("four")], of(event(1, 4, "four"))), [0, 1]);
    // Two samples that came out alike are one candidate.
    assert.deepEqual(rowsOf([candidate("same"), candidate("four")], of(event(0, 4, "same"), event(1, 4, "same"), event(2, 4, "four"))), [0, 2]);
  });

  test("joins word pieces and closing marks", () => {
    const tokens = ["un", "##believ", "##able", "news", "!", "##"].map((text) => ({ text, confidence: 0.5 }));
    assert.deepEqual(pieces({ ...event(0, 1, ""), tokens }).map(({ text, joined }) => `${joined ? "" : " "}${text}`).join(""), "unbelievable news! ##");
  });

  test("has five levels of confidence", () => {
    assert.deepEqual([0, 0.19, 0.2, 0.5, 0.79, 0.8, 1].map(level), [0, 0, 1, 2, 3, 4, 4]);
  });
});
