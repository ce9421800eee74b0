/** Sources for the end-to-end tests, written for them. */

export const QUESTIONS = [
  "How can I learn to play the guitar at home?",
  "What is the best way to lose weight quickly?",
  "Why do people believe in astrology?",
  "How do I start a small business in India?",
] as const;

/** Questions that samples make slips in. */
export const SLIPPING = [
  "Why is it so hard to get over somebody?",
  "How do birds know when it is time to fly south?",
  "When did you realise that you were in love with your best friend?",
] as const;

export const ARTICLE = `The town council of Marlow voted on Tuesday to close the old bridge over the river for repairs that are
expected to take at least eight months. Engineers found cracks in two of the stone piers during an inspection in March and
warned that heavy lorries could cause further damage. Shop owners in the high street said they feared losing customers while
the crossing is shut, and asked the council to run a free bus from the other bank. The council said it would pay for a
temporary footbridge, which should open in June. Drivers will have to use the motorway crossing four miles away. The repairs
will cost about three million pounds, most of it from the government.`.replaceAll("\n", " ");

/** Words that any English sentence of some length is likely to have one of. */
const COMMON = new Set(
  "a an the is are was were be been do does did has have had will would can could should may i you he she it we they to of in on at for from by with as and or not what which who how why when where there this that best way".split(" "),
);

export function words(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9']+/g) ?? [];
}

/** Words of the text that carry its subject. */
export function contentWords(text: string): Set<string> {
  return new Set(words(text).filter((word) => word.length > 3 && !COMMON.has(word)));
}

/** Plain printable English of at least three words, without pieces of the vocabulary's own notation. */
export function looksEnglish(text: string): boolean {
  const all = words(text);
  return all.length >= 3 && all.some((word) => COMMON.has(word)) && !/##|\[(PAD|UNK|CLS|SEP|MASK)\]|[^\x20-\x7e\u00a0-\u024f\u2010-\u203a€£]/.test(text);
}
