/** Words of which another may stand in the same place and the text says nothing else. */
const SETS = [
  "is are", "was were", "do does", "has have", "this these", "that those", "much many", "less fewer",
  "i me my", "he him his", "she her", "we us our", "they them their",
  "in on at for of to from with by about into as",
].map((line) => new Set(line.split(" ")));
/** Verbs that others lean on: which of them it is the rest of a sentence tells ("what is you think", "how was he break it"), but not as surely. */
const AUXILIARIES = ["is are am do does has have", "was were did had"].map((line) => new Set(line.split(" ")));
const WORD = /^[a-z]+$/;
/** Letters of a stem: what is left of a shorter word has too many relatives. */
const LEAST_STEM = 3;

/** What an English word may be a regular form of, itself among them ("studies": "study"; "planned": "plan"). */
function stemsOf(word: string): Set<string> {
  const found = [word];
  const cut = (end: string, ...instead: string[]) => {
    if (word.endsWith(end)) found.push(...instead.map((other) => word.slice(0, -end.length) + other));
  };
  cut("s", "");
  cut("es", "");
  cut("ies", "y");
  for (const end of ["ed", "ing"]) {
    cut(end, "", "e");
    const doubled = word.at(-end.length - 1);
    if (doubled !== undefined && word.endsWith(doubled + doubled + end)) cut(doubled + end, "");
  }
  cut("ied", "y");
  return new Set(found.filter((stem) => stem.length >= LEAST_STEM));
}

export type Kinship = "form" | "auxiliary";

/** What two words are to each other: forms of one ("way", "ways"; "create", "creating"), or such that either may be what grammar or custom wants ("do", "does"; "in", "on"); or two auxiliaries ("is", "do"). */
export function kinship(word: string, other: string): Kinship | undefined {
  if (word === other || !WORD.test(word) || !WORD.test(other)) return undefined;
  const together = (sets: readonly Set<string>[]) => sets.some((set) => set.has(word) && set.has(other));
  if (together(SETS)) return "form";
  if (together(AUXILIARIES)) return "auxiliary";
  const stems = stemsOf(word);
  return [...stemsOf(other)].some((stem) => stems.has(stem)) ? "form" : undefined;
}

/** True of a word that may have other forms. */
export function hasForms(word: string): boolean {
  return WORD.test(word) && (word.length >= LEAST_STEM || SETS.some((set) => set.has(word)));
}
