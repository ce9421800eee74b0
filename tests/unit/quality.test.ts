import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { implausiblePairs, loadBigrams } from "../../src/model/fluency.js";
import { AMONG_VERSIONS, type Estimates, quality } from "../../src/model/quality.js";

const SOURCE = "How do I not burn 3 eggs in Rome?";
/** Places of the samples, best first: those that are wrong come last. */
const order = (samples: Partial<Estimates>[], task: "paraphrase" | "summarize" = "paraphrase") => {
  const judged = quality(samples.map((each) => ({ text: "", similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0, ...each })), SOURCE, task);
  return samples.map((_, i) => i).sort((i, j) => Number(judged[i]!.wrong) - Number(judged[j]!.wrong) || judged[j]!.merit - judged[i]!.merit);
};

describe("the estimated quality of a sample", () => {
  test("of two that keep the same, the nearer in meaning", () => {
    assert.deepEqual(order([{ text: SOURCE, similarity: 0.8 }, { text: SOURCE, similarity: 0.9 }]), [1, 0]);
  });

  test("of two that mean the same, the one in other words; a summary may use its text's", () => {
    const pair = [{ text: SOURCE }, { text: "What is a way to not burn 3 eggs in Rome?" }];
    assert.deepEqual(order(pair), [1, 0]);
    assert.deepEqual(order(pair, "summarize"), [0, 1]);
  });

  test("what loses or invents a number, a name or a negation comes behind a text that is as near; a summary may leave out", () => {
    for (const worse of ["What is a way to burn 3 eggs in Rome?", "What is a way to not burn eggs in Rome?", "What is a way to not burn 3 eggs?", "What is a way to not burn 35 eggs in Rome?"]) {
      assert.deepEqual(order([{ text: worse, similarity: 0.92 }, { text: "What is a way to not burn 3 eggs in Rome?", similarity: 0.9 }]), [1, 0], worse);
    }
    assert.deepEqual(order([{ text: "Eggs burn.", similarity: 0.92 }, { text: "Eggs burn in Rome.", similarity: 0.9 }], "summarize"), [0, 1]);
    assert.deepEqual(order([{ text: "Eggs burn in Oslo.", similarity: 0.92 }, { text: "Eggs burn in Rome.", similarity: 0.9 }], "summarize"), [1, 0]);
  });

  test("a paraphrase that only leaves words out comes behind one that says them otherwise", () => {
    assert.deepEqual(order([{ text: "How I not burn 3 eggs in Rome?" }, { text: "How can I not burn 3 eggs in Rome?" }]), [1, 0]);
    assert.deepEqual(order([{ text: "How do not burn 3 eggs in Rome?", similarity: 0.9 }, { text: "How can I not burn 3 eggs in Rome?", similarity: 0.85 }]), [1, 0]);
  });

  test("a paraphrase without its source's facts is wrong, a summary is not", () => {
    const wrong = (text: string, task: "paraphrase" | "summarize") => quality([{ text, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0 }], SOURCE, task)[0]!.wrong;
    assert.deepEqual(["How do I not burn 3 eggs in Rome", "How do I burn 3 eggs in Rome?"].map((text) => wrong(text, "paraphrase")), [false, true]);
    assert.equal(wrong("How do I burn 3 eggs in Rome?", "summarize"), false);
    const lost = (task: "paraphrase" | "summarize") => quality([{ text: "How do I not burn 3 eggs in Rome", similarity: 0.9, implausible: 0, lost: 1, missed: 0, markAdded: false, preference: 0, slips: 0 }], SOURCE, task)[0]!.wrong;
    assert.deepEqual([lost("paraphrase"), lost("summarize")], [true, false], "a rare word");
  });

  test("a sample that breaks off comes behind one that ends as its source does", () => {
    assert.deepEqual(order([{ text: "What is a way to not burn 3 eggs in Rome" }, { text: "What is a way to not burn 3 eggs in Rome?" }]), [1, 0]);
    const text = "What is a way to not burn 3 eggs in Rome?";
    assert.deepEqual(order([{ text, markAdded: true }, { text }]), [1, 0], "its mark was added");
    const plain = quality([{ text: "The shop is shut", similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0 }], "The shop is closed", "paraphrase");
    assert.equal(plain[0]!.sound, true);
  });

  test("a statement that became a question, or the other way round, comes behind; what holds fewer questions does not", () => {
    const judge = (source: string, ...texts: string[]) => quality(texts.map((text) => ({ text, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0 })), source, "paraphrase").map(({ sound }) => sound);
    assert.deepEqual(judge("Glass is made of sand.", "Sand is what glass is made of?", "Sand is what glass is made of."), [false, true]);
    assert.deepEqual(judge("It was cold. Nobody swam.", "Was it cold? No one wanted to swim.", "It was cold, so no one went in."), [false, true]);
    assert.deepEqual(judge("What is glass made of?", "Glass is what it is made of.", "Which things is glass made of?"), [false, true]);
    assert.deepEqual(judge("What is glass? Who made it?", "What is glass and by whom was it made?"), [true]);
  });

  test("a sample is sound when no fault is known of it", () => {
    const sound = (text: string, more: Partial<Estimates> = {}, task: "paraphrase" | "summarize" = "paraphrase") => quality([{ text, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0, ...more }], SOURCE, task)[0]!.sound;
    const good = "What is a way to not burn 3 eggs in Rome?";
    assert.deepEqual([sound(good), sound(good, { implausible: 1 }), sound("What is a way to burn 3 eggs in Rome?"), sound("How I not burn 3 eggs in Rome?"), sound("What is a way to not burn 3 eggs in Rome")], [true, false, false, false, false]);
    assert.deepEqual([sound("Eggs burn.", {}, "summarize"), sound("Eggs burn in Oslo.", {}, "summarize")], [true, false]);
  });

  test("of two alike, the paraphrase that misses less of its source's words", () => {
    const two = [{ text: SOURCE, missed: 1.5, preference: 1 }, { text: SOURCE, missed: 0.2 }];
    assert.deepEqual(order(two), [1, 0]);
    assert.deepEqual(order(two, "summarize"), [0, 1], "a summary leaves things out");
  });

  test("of two alike, the one that the ranker prefers", () => {
    assert.deepEqual(order([{ text: SOURCE, preference: -2 }, { text: SOURCE, preference: 1 }]), [1, 0]);
  });

  test("a paraphrase that asks what is stated, only shortens what is stated, or is about something else, is wrong", () => {
    const wrong = (text: string, source: string, similarity = 0.9) => quality([{ text, similarity, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0 }], source, "paraphrase")[0]!.wrong;
    assert.deepEqual([wrong("Do bees find home?", "Bees find home."), wrong("Bees find their home.", "Bees find home."), wrong("Do bees find home?", "bees find home"), wrong("Bees find.", "Bees find home."), wrong("Do bees find?", "Do bees find home?")], [true, false, false, true, false]);
    assert.deepEqual([wrong("How", "Really?", 0.28), wrong("Is it real?", "Really?", 0.7)], [true, false]);
  });

  test("a statement's paraphrase whose words are unlikely is wrong, a question's is not", () => {
    const wrong = (text: string, source: string, unlikely?: number) => quality([{ text, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0, unlikely }], source, "paraphrase")[0]!.wrong;
    assert.deepEqual([wrong("Bees in find home.", "Bees find home.", 0.6), wrong("Bees get home.", "Bees find home.", 0.2), wrong("Bees get home.", "Bees find home.")], [true, false, false]);
    assert.equal(wrong("Do in bees find home?", "Do bees find home?", 0.6), false);
  });

  test("a statement's paraphrase that reads badly is wrong, a question's is not", () => {
    const wrong = (text: string, source: string, slips: number, task: "paraphrase" | "summarize" = "paraphrase") => quality([{ text, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips }], source, task)[0]!.wrong;
    assert.deepEqual([wrong("Bees finds home.", "Bees find home.", 0.9), wrong("Bees get home.", "Bees find home.", 0.2)], [true, false]);
    assert.deepEqual([wrong("Do bees finds home?", "Do bees find home?", 0.9), wrong("Bees finds home.", "Bees find home.", 0.9, "summarize")], [false, false]);
  });

  test("of two alike, the one with fewer slips, and one with many is not readable", () => {
    assert.deepEqual(order([{ text: SOURCE, slips: 2 }, { text: SOURCE }]), [1, 0]);
    const readable = (slips: number) => quality([{ text: SOURCE, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips }], SOURCE, "paraphrase")[0]!.readable;
    assert.deepEqual([0, 0.5, 3].map(readable), [true, true, false]);
  });

  test("of two statements the one nearer in meaning, where a question would rather be the one in other words", () => {
    const merits = (source: string, ...texts: string[]) => quality(texts.map((text, i) => ({ text, similarity: 0.95 - 0.1 * i, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0 })), source, "paraphrase").map(({ merit }) => merit);
    const [near, far] = merits("She paints mostly in the evening.", "She mostly paints in the evening.", "Most of her pictures are made after dark.");
    assert.ok(near! > far!);
    const [like, unlike] = merits("Does she paint mostly in the evening?", "Does she paint in the evening mostly?", "Are most of her pictures made after dark?");
    assert.ok(unlike! > like!);
  });

  test("of two alike, the one whose words are likelier where they stand, also where that is worded a little more like the source", () => {
    assert.deepEqual(order([{ text: SOURCE, unlikely: 0.8 }, { text: SOURCE, unlikely: 0.3 }]), [1, 0]);
    const pair = [{ text: "How do I not burn 3 eggs of Rome?", unlikely: 0.9 }, { text: "How do I not burn 3 eggs in Rome now?", unlikely: 0.2 }];
    assert.deepEqual(order(pair), [1, 0]);
    assert.deepEqual(order(pair.map((each) => ({ ...each, unlikely: undefined }))), [0, 1], "where it is not known it decides nothing");
  });

  test("among versions of a sample, the one without a slip, also where that is worded more like the source", () => {
    const versions = [{ text: "How do I not burn 3 eggs Rome?", slips: 1.2 }, { text: "How do I not burn 3 eggs in Rome now?", slips: 0 }].map((each) => ({ similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, ...each }));
    const better = (weights?: typeof AMONG_VERSIONS) => {
      const [slipping, mended] = quality(versions, SOURCE, "summarize", weights).map(({ merit }) => merit);
      return mended! - slipping!;
    };
    assert.ok(better(AMONG_VERSIONS) > better() && better() > 0);
    const likeness = (weights?: typeof AMONG_VERSIONS) => {
      const [like, unlike] = quality(["How do I not burn 3 eggs in Rome today?", "Which way can I not burn 3 eggs in Rome?"].map((text) => ({ text, similarity: 0.9, implausible: 0, lost: 0, missed: 0, markAdded: false, preference: 0, slips: 0 })), SOURCE, "paraphrase", weights).map(({ merit }) => merit);
      return unlike! - like!;
    };
    assert.ok(likeness() > likeness(AMONG_VERSIONS) && likeness(AMONG_VERSIONS) > 0);
  });

  test("of two alike, the one whose words go together, and the one that the other samples agree with", () => {
    assert.deepEqual(order([{ text: SOURCE, implausible: 1 }, { text: SOURCE }]), [1, 0]);
    const [agreed, , alone] = ["What is a way to not burn 3 eggs in Rome?", "What is one way to not burn 3 eggs in Rome?", "Which cook can not burn 3 eggs in Rome today?"];
    assert.equal(order([{ text: alone! }, { text: agreed! }, { text: agreed! }]).at(-1), 0);
  });
});

describe("neighbours that do not go together", () => {
  /** Of 100 tokens 0 and 1 are frequent, 2 is rare; 0 then 1 was seen. */
  const bytes = (...numbers: number[]) => new Uint8Array(Uint32Array.from(numbers).buffer);
  const bigrams = loadBigrams(bytes(1, 100, 3, 50, 40, 1, 2, 1, 6));

  test("are frequent by themselves, never seen together, and not in the source", () => {
    assert.equal(implausiblePairs(bigrams, [0, 1], []), 0);
    assert.equal(implausiblePairs(bigrams, [1, 0], []), 1);
    assert.equal(implausiblePairs(bigrams, [1, 0], [2, 1, 0]), 0);
    assert.equal(implausiblePairs(bigrams, [0, 2, 0, 1, 0, 0], []), 2);
    assert.equal(implausiblePairs(bigrams, [], []), 0);
  });

  test("a file that is cut, longer than it says or of another version is refused", () => {
    for (const bad of [bytes(1, 100, 3, 50, 40), bytes(1, 100, 3, 50, 40, 1, 2, 1), bytes(1, 100, 3, 50, 40, 1, 1, 1, 6), bytes(2, 100, 0, 0), bytes(), new Uint8Array(7)]) assert.throws(() => loadBigrams(bad), TypeError);
  });
});
