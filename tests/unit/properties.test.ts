/** Properties that hold for any input, tried with inputs that fast-check draws and shrinks. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Response } from "express";
import { EventSourceParserStream } from "eventsource-parser/stream";
import fc from "fast-check";
import { before, describe, test } from "node:test";
import { findKey, parseKeys } from "../../src/access/keys.js";
import { fold, isWord, splitAtoms } from "../../src/conditioning/atoms.js";
import { EMPTY_LEXICON, restore } from "../../src/conditioning/restore.js";
import type { Tokenizer } from "../../src/conditioning/tokenizer.js";
import { GRIDS, SOLVERS } from "../../src/engine/contract.js";
import type { BundleCard } from "../../src/model/bundle.js";
import { gridNamed, times } from "../../src/model/grid.js";
import { noiseSchedule } from "../../src/model/schedule.js";
import { solverSteps } from "../../src/model/solver.js";
import { EventStream } from "../../src/routes/event-stream.js";
import { deeperThan } from "../../src/routes/json.js";
import { SPECIALS } from "../fixtures/hostile.js";
import { embeddedTokenizer } from "../fixtures/tokenizer.js";

const schedules = fc.record({ name: fc.constantFrom("tan", "sqrt", "cosine"), d: fc.double({ min: 1, max: 15, noNaN: true }) }).map(({ name, d }) => noiseSchedule(name, d));
const anyText = fc.string({ unit: "binary", maxLength: 60 });
/** Pieces that could be, or become, a special token. */
const nearSpecials = fc.array(fc.oneof(fc.constantFrom(...SPECIALS, "[", "]", "MASK", "SEP", "[M", "ASK]", " ", "\u200b", "\u0301", "[[SEP]"), anyText), { maxLength: 12 }).map((parts) => parts.join(""));
const near = (a: number, b: number, tolerance = 1e-9) => Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));

describe("schedules and solvers, for any schedule, grid and number of steps", () => {
  const sampling = fc.record({
    schedule: schedules,
    grid: fc.constantFrom(...GRIDS),
    low: fc.double({ min: -10, max: -1, noNaN: true }),
    high: fc.double({ min: 0, max: 6, noNaN: true }),
    steps: fc.integer({ min: 1, max: 200 }),
    precondition: fc.boolean(),
  });
  const gridOf = ({ grid, low, high }: { grid: (typeof GRIDS)[number]; low: number; high: number }) => gridNamed(grid, { name: "logsnr", log_snr_min: low, log_snr_max: high });

  test("the signal falls with time and stays a share; the rate is finite and not negative", () => {
    fc.assert(
      fc.property(schedules, fc.double({ min: 1e-3, max: 1, noNaN: true }), fc.double({ min: 1e-3, max: 1, noNaN: true }), (schedule, a, b) => {
        const [early, late] = [Math.min(a, b), Math.max(a, b)];
        assert.ok(schedule.alpha(early) >= schedule.alpha(late));
        for (const t of [early, late]) {
          assert.ok(schedule.alpha(t) >= 0 && schedule.alpha(t) <= 1);
          assert.ok(schedule.beta(t) >= 0 && Number.isFinite(schedule.beta(t)));
        }
      }),
    );
  });

  test("times fall, one more than steps", () => {
    fc.assert(
      fc.property(sampling, ({ schedule, steps, ...grid }) => {
        const all = times(gridOf(grid), steps, schedule);
        assert.equal(all.length, steps + 1);
        for (const [i, t] of all.entries()) {
          assert.ok(t >= 0 && t <= 1 && Number.isFinite(t));
          // The schedule sqrt ends at a log-SNR of 4.6; a grid that goes on beyond stays there.
          assert.ok(i === 0 || t < all[i - 1]! || (t === 0 && all[i - 1] === 0), `${all[i - 1]} ${t}`);
        }
      }),
    );
  });

  test("beyond the end of its schedule a solver stands still", () => {
    const schedule = noiseSchedule("sqrt", 1);
    const all = times({ name: "logsnr", log_snr_min: -1, log_snr_max: 6 }, 16, schedule);
    assert.deepEqual(all.slice(-3), [0, 0, 0]);
    for (const solver of SOLVERS) for (const step of solverSteps(solver, all, schedule, true)) assert.ok(Object.values(step).every(Number.isFinite), solver);
  });

  test("coefficients are finite; with a perfect prediction every solver but Euler's keeps the mean and the variance of the process", () => {
    fc.assert(
      fc.property(sampling, fc.constantFrom(...SOLVERS), ({ schedule, steps, precondition, ...grid }, solver) => {
        const all = times(gridOf(grid), steps, schedule);
        const plan = solverSteps(solver, all, schedule, precondition);
        assert.equal(plan.length, steps);
        // The solvers' own floor: a logarithm has to be finite.
        const alpha = (i: number) => Math.min(1 - 1e-12, Math.max(1e-18, schedule.alpha(all[i]!)));
        for (const [i, { cx, c0, cPrevious, cNoise, cSkip, cOut }] of plan.entries()) {
          for (const value of [cx, c0, cPrevious, cNoise, cSkip, cOut]) assert.ok(Number.isFinite(value), `${solver} step ${i}`);
          if (solver.startsWith("euler")) continue;
          const [from, to] = [alpha(i), alpha(i + 1)];
          assert.ok(near(cx * Math.sqrt(from) + c0 + cPrevious, Math.sqrt(to), 1e-6), `${solver} step ${i}: mean`);
          const last = i === plan.length - 1;
          if (!last) assert.ok(near(cx ** 2 * (1 - from) + cNoise ** 2, 1 - to, 1e-6), `${solver} step ${i}: variance`);
        }
      }),
    );
  });
});

describe("tokenising any text", () => {
  let tokenizer: Tokenizer;
  let tokens: BundleCard["tokens"];
  before(async () => {
    ({ tokenizer, tokens } = await embeddedTokenizer());
  });

  test("no text makes a special token, but the unknown one; what is not read has its share", () => {
    fc.assert(
      fc.property(fc.oneof(nearSpecials, anyText), (text) => {
        const { ids, unreadable, dropped } = tokenizer.encode(text);
        assert.deepEqual([ids[0], ids.at(-1)], [tokens.cls, tokens.sep]);
        const own = ids.slice(1, -1);
        assert.deepEqual(own.filter((id) => id !== tokens.unk && tokens.special.includes(id)), []);
        assert.ok(own.every((id) => Number.isInteger(id) && tokenizer.spell([id])[0] !== ""));
        assert.ok(unreadable >= 0 && unreadable <= 1 && dropped >= 0);
        if (own.includes(tokens.unk) || own.length === 0) assert.ok(unreadable > 0);
        assert.deepEqual(tokenizer.encode(text), { ids, unreadable, dropped });
      }),
      { numRuns: 300 },
    );
  });

  test("a special token in the middle takes nothing from the text around it", () => {
    const word = fc.constantFrom("guitar", "water", "learn", "people", "music");
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), fc.constantFrom(...SPECIALS), fc.array(word, { minLength: 1, maxLength: 6 }), (left, special, right) => {
        const { ids } = tokenizer.encode([...left, special, ...right].join(" "));
        const spelled = tokenizer.spell(ids);
        assert.deepEqual(spelled.slice(1, 1 + left.length), left);
        assert.deepEqual(spelled.slice(-1 - right.length, -1), right);
      }),
    );
  });
});

describe("restoring any text", () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  const pieces = fc.array(fc.oneof(word, word.map((text) => `##${text}`), fc.constantFrom(".", ",", "?", "'", '"', "-", "(", ")", "$", "3", "[SEP]", "[PAD]")), { maxLength: 25 });

  test("casing and spacing change, letters and marks do not", () => {
    fc.assert(
      fc.property(pieces, fc.oneof(anyText, fc.array(word).map((words) => words.map((each, i) => (i % 2 ? each.toUpperCase() : each)).join(" "))), (tokens, source) => {
        const text = restore(tokens, source, EMPTY_LEXICON);
        const written = tokens.filter((token) => !token.startsWith("[")).map((token) => token.replace(/^##/, "")).join("");
        assert.equal(fold(text).replaceAll(" ", ""), written);
        assert.equal(text, text.trim());
      }),
    );
  });

  test("no tokens and no source throw, and no source's atoms lose a word", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anyText, fc.constantFrom(...SPECIALS))), fc.oneof(anyText, nearSpecials), (tokens, source) => {
        assert.equal(typeof restore(tokens, source, EMPTY_LEXICON), "string");
        for (const { key } of splitAtoms(source)) assert.equal(isWord(key) && key === "", false);
      }),
    );
  });
});

describe("event streams", () => {
  /** What the response of a request does with an EventStream's bytes. */
  function sink() {
    const chunks: string[] = [];
    const res = Object.assign(new EventEmitter(), {
      destroyed: false,
      writableEnded: false,
      writableNeedDrain: false,
      status: () => res,
      set: () => res,
      vary: () => res,
      write: (chunk: string) => chunks.push(chunk) > 0,
      end: () => res.emit("close"),
    });
    return { res: res as unknown as Response, chunks };
  }

  test("any data come out as they went in, however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.jsonValue(), fc.constantFrom("\n\nevent: result\ndata: x\n\n", "\r", "\u2028\u2029", ": comment", "id: 1"))), fc.integer({ min: 1, max: 40 }), async (data, size) => {
        const { res, chunks } = sink();
        const stream = new EventStream(res, 60_000);
        for (const each of data) stream.snapshot("step", each);
        stream.end("result", { last: true });
        const bytes = new TextEncoder().encode(chunks.join(""));
        const cut = new ReadableStream<Uint8Array<ArrayBuffer>>({
          start(controller) {
            for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
            controller.close();
          },
        });
        const events: [string | undefined, unknown][] = [];
        for await (const { event, data: text } of cut.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) events.push([event, JSON.parse(text)]);
        const sent = JSON.parse(JSON.stringify(data)) as unknown[];
        assert.deepEqual(events, [...sent.map((each) => ["step", each]), ["result", { last: true }]]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("what is read before it is parsed", () => {
  const depth = (value: unknown): number => (typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0);

  test("the depth of JSON is its nesting", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 2 }), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        const levels = depth(value);
        assert.equal(deeperThan(text, levels), false);
        if (levels > 0) assert.equal(deeperThan(text, levels - 1), true);
      }),
    );
  });

  test("of any keys only the very key is found", () => {
    const key = fc.stringMatching(/^[\w~.+/-]{20,40}$/).filter((text) => !text.startsWith("sha256-"));
    fc.assert(
      fc.property(fc.uniqueArray(key, { minLength: 1, maxLength: 5 }), anyText, (keys, other) => {
        const ring = parseKeys(keys.map((each, i) => `k${i}:${each}`).join(","));
        for (const [i, each] of keys.entries()) assert.equal(findKey(ring, each)?.name, `k${i}`);
        if (!keys.includes(other)) assert.equal(findKey(ring, other), undefined);
      }),
    );
  });
});
