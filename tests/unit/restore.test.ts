import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { splitAtoms } from "../../src/conditioning/atoms.js";
import { detokenise, EMPTY_LEXICON, loadLexicon, restore } from "../../src/conditioning/restore.js";

const lexicon = loadLexicon({
  version: 1,
  forms: "India iPhone BBC Beyoncé May Donald",
  lower: "apple bank do how is may the will",
  pairs: ["New York", "the US", "in May", "may be"],
});

/** The tokenizer's view of a text, for words that its vocabulary holds whole. */
const tokens = (text: string): string[] => splitAtoms(text).map((atom) => atom.key);

describe("detokenise", () => {
  const cases: [string, string][] = [
    ["i don ' t know , do you ?", "i don't know, do you?"],
    ["the u . s . economy", "the u.s. economy"],
    ["3 . 5 and 10 , 000 , not 25 %", "3.5 and 10,000, not 25%"],
    ["in 2016 , 500 people", "in 2016, 500 people"],
    ["£100 , 000 or $ 5", "£100,000 or $5"],
    ["send an e - mail and / or a fax", "send an e-mail and/or a fax"],
    ["learn c + + and node . js", "learn c++ and node.js"],
    ['he said " no " ( twice ) .', 'he said "no" (twice).'],
    ["is it ' real ' ?", "is it 'real'?"],
    ["the students ' rights", "the students' rights"],
    ["it ’ s “ new ” . . . yes ? !", "it’s “new”... yes?!"],
    ["at 3 : 30 : tea", "at 3:30: tea"],
    ["it ended - but not well", "it ended - but not well"],
    ["an up - to - the - minute report", "an up-to-the-minute report"],
    ["he is 5 ' 6 \" tall", "he is 5'6\" tall"],
    ["q & a on salt & pepper", "q&a on salt & pepper"],
  ];
  for (const [given, wanted] of cases) {
    test(wanted, () => assert.equal(detokenise(given.split(" ")).join(" "), wanted));
  }

  test("joins pieces and leaves special tokens out", () => {
    const pieces = ["[CLS]", "para", "##ph", "##rase", "[UNK]", "me", ".", "[SEP]", "[PAD]"];
    assert.deepEqual(detokenise(pieces), ["paraphrase", "me."]);
    assert.deepEqual(detokenise(["##s", "##t"]), ["st"]);
    assert.deepEqual(detokenise([]), []);
  });
});

describe("restore", () => {
  const from = (output: string, source: string) => restore(tokens(output), source, lexicon);

  test("takes casing and accents from the source", () => {
    const source = "Do you like Zoë or McGregor?";
    assert.equal(from("why do people like zoe and mcgregor ?", source), "Why do people like Zoë and McGregor?");
  });
  test("takes inner punctuation and spacing from the source", () => {
    const source = "Is ASP.NET open 24/7 for 25,000 users of .NET in the U.S.?";
    assert.equal(from("is asp.net up 24/7 in the u.s.?", source), "Is ASP.NET up 24/7 in the U.S.?");
    assert.equal(from("users of .net ?", source), "Users of .NET?");
  });
  test("does not copy a space typed before a question mark, nor one left out after it", () => {
    assert.equal(from("is it so? why?", "Is it so ?Why ?"), "Is it so? Why?");
  });
  test("does not take a sentence's start for a name", () => {
    assert.equal(from("what is the bank ?", "Bank of what? Is it?"), "What is the bank?");
  });
  test("keeps the accents, not the capital, of an unknown word that opens a sentence", () => {
    assert.equal(from("who is an emigre ?", "Émigré is who?"), "Who is an émigré?");
  });
  test("lets the lexicon decide where the source is in capitals or lower case", () => {
    assert.equal(from("is the bbc in india ?", "HOW BIG IS THE BBC IN INDIA NOW"), "Is the BBC in India?");
    assert.equal(from("is the bbc in india ?", "how big is the bbc in india"), "Is the BBC in India?");
    assert.equal(from("is ngozi here ?", "IS NGOZI IN THE BANK"), "Is ngozi here?");
  });
  test("believes the small letters of an edited text", () => {
    const source = `Shops in Zermatt and in Bern shut on Monday, said a man who keeps an india rubber stall near the bank, and none of them
      will open again before Donald Reyes has been seen by the mayor, who has been away since the snow came down on the old road.`;
    assert.equal(from("an india rubber stall in zermatt shut", source), "An india rubber stall in Zermatt shut");
    assert.equal(from("an india rubber stall ?", "an india rubber stall"), "An India rubber stall?");
    assert.equal(from("a stall of india rubber .", "The stall is of india rubber."), "A stall of india rubber.");
    assert.equal(from("is a stall of india rubber ?", "Is the stall of india rubber?"), "Is a stall of India rubber?");
    // A question is believed that raises two names on the way.
    assert.equal(from("did donald in zermatt sell india rubber ?", "Did Donald sell india rubber in Zermatt?"), "Did Donald in Zermatt sell india rubber?");
    assert.equal(from("did donald sell india rubber ?", "Did Donald buy india rubber?"), "Did Donald sell India rubber?");
  });
  test("raises what was raised behind the same quotation mark", () => {
    assert.equal(from('a sign says " no way " .', 'The sign says "No way".'), 'A sign says "No way".');
    assert.equal(from("there is no way .", 'The sign says "No way".'), "There is no way.");
  });
  test("lowers ordinary words of a headline", () => {
    const source = "How Will Donald Reach Zermatt Bank";
    assert.equal(from("will donald visit zermatt bank ?", source), "Will Donald visit Zermatt bank?");
  });
  test("uses neighbours for ambiguous words", () => {
    assert.equal(from("in may the us may be in new york", ""), "In May the US may be in New York");
  });
  test("raises sentences and the pronoun, not words with capitals of their own or after abbreviations", () => {
    assert.equal(from("iphone or not ? i think i ' m late . is it ?", ""), "iPhone or not? I think I'm late. Is it?");
    assert.equal(from("we met mr . smith at 10 a . m . today", ""), "We met mr. smith at 10 a.m. today");
    assert.equal(from("the novel by j . k . rowling", ""), "The novel by J.K. rowling");
  });
  test("leaves unknown names in lower case", () => {
    assert.equal(restore(tokens("where is quxville ?"), "Where?", EMPTY_LEXICON), "Where is quxville?");
  });
  test("an empty text stays empty", () => {
    assert.equal(restore([], "", lexicon), "");
    assert.equal(restore(["[PAD]", "[SEP]"], "Some text", lexicon), "");
  });
});

describe("hostile input", () => {
  const long: [string, string][] = [
    ["one word", "a".repeat(100_000)],
    ["full stops", ".".repeat(100_000)],
    ["quotation marks", "\"'".repeat(50_000)],
    ["one short word over and over", "a ".repeat(50_000)],
    ["white space", " \t\n".repeat(33_000)],
    ["control characters and lone surrogates", "\u0000\u001b[31m\ud800 \udfff\u202e".repeat(10_000)],
    ["emoji", "👩‍👩‍👧‍👦🇪🇺 ".repeat(8_000)],
    ["stacked accents", `e${"\u0301".repeat(99_000)}`],
    ["initials and hyphens", "u.s.-".repeat(20_000)],
    ["names of object members", "__proto__ constructor toString ".repeat(3_000)],
  ];
  for (const [name, text] of long) {
    test(`${name}: linear time, no exception, as source and as output`, () => {
      // Processor time, since other work may share the machine; what is not linear takes minutes here.
      const start = process.cpuUsage();
      assert.equal(restore(["is", "it", "?"], text, lexicon), "Is it?");
      restore(text.split(/(?<=\W)/).slice(0, 50_000), text, lexicon);
      assert.ok(process.cpuUsage(start).user < 5e6, `${process.cpuUsage(start).user / 1000} ms`);
    });
  }
});

describe("loadLexicon", () => {
  test("keys are folded", () => {
    assert.equal(lexicon.forms.get("beyonce"), "Beyoncé");
    assert.deepEqual(lexicon.pairs.get("the us"), ["the", "US"]);
  });
  const wrong: [string, unknown][] = [
    ["null", null],
    ["another version", { version: 2, forms: "", lower: "", pairs: [] }],
    ["forms no string", { version: 1, forms: [], lower: "", pairs: [] }],
    ["lower missing", { version: 1, forms: "", pairs: [] }],
    ["pairs no array", { version: 1, forms: "", lower: "", pairs: "the US" }],
    ["a pair of one word", { version: 1, forms: "", lower: "", pairs: ["US"] }],
    ["a pair that is no string", { version: 1, forms: "", lower: "", pairs: [3] }],
  ];
  for (const [name, json] of wrong) {
    test(`refuses ${name}`, () => assert.throws(() => loadLexicon(json), { name: "TypeError", message: /^lexicon: / }));
  }
});
