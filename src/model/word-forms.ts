/** Words of which another may stand in the same place and the text says nothing else. */
const SETS = [
  "is are", "was were", "do does", "has have", "this these", "that those", "much many", "less fewer",
  "i me my", "he him his", "she her", "we us our", "they them their",
  "in on at for of to from with by about into as",
].map((line) => new Set(line.split(" ")));
/** Verbs that others lean on: which of them it is the rest of a sentence tells ("what is you think", "how was he break it"), but not as surely. */
const AUXILIARIES = ["is are am do does has have", "was were did had"].map((line) => new Set(line.split(" ")));
const WORD = /^[a-z]+$/;
/** What some verbs and nouns have in the place of regular forms. */
const IRREGULAR = (
  "become became, begin began begun, bite bit bitten, blow blew blown, break broke broken, bring brought, build built, buy bought, catch caught, choose chose chosen, come came, deal dealt, draw drew drawn, drink drank drunk, drive drove driven, " +
  "eat ate eaten, fall fell fallen, feed fed, feel felt, fight fought, find found, fly flew flown, forget forgot forgotten, forgive forgave forgiven, freeze froze frozen, get got gotten, give gave given, go went gone, grow grew grown, hang hung, hear heard, " +
  "hide hid hidden, hold held, keep kept, know knew known, lay laid, lead led, learn learnt, leave left, lend lent, lose lost, make made, mean meant, meet met, pay paid, ride rode ridden, ring rang rung, rise rose risen, run ran, say said, see saw seen, " +
  "seek sought, sell sold, send sent, shake shook shaken, shine shone, shoot shot, show shown, sing sang sung, sink sank sunk, sit sat, sleep slept, speak spoke spoken, spend spent, stand stood, steal stole stolen, stick stuck, strike struck, swim swam swum, " +
  "take took taken, teach taught, tear tore torn, tell told, think thought, throw threw thrown, understand understood, wake woke woken, wear wore worn, win won, write wrote written, " +
  "man men, woman women, child children, foot feet, tooth teeth, mouse mice, life lives, wife wives, wolf wolves, knife knives, leaf leaves, half halves"
).split(", ").map((line) => new Set(line.split(" ")));
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

function intersects(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  return [...some].some((each) => others.has(each));
}

export type Kinship = "form" | "auxiliary";

/** What two words are to each other: forms of one ("way", "ways"; "create", "creating"), or such that either may be what grammar or custom wants ("do", "does"; "in", "on"); or two auxiliaries ("is", "do"). */
export function kinship(word: string, other: string): Kinship | undefined {
  if (word === other || !WORD.test(word) || !WORD.test(other)) return undefined;
  const together = (sets: readonly Set<string>[]) => sets.some((set) => set.has(word) && set.has(other));
  if (together(SETS)) return "form";
  if (together(AUXILIARIES)) return "auxiliary";
  const stems = stemsOf(word);
  const others = stemsOf(other);
  const related = [...others].some((stem) => stems.has(stem)) || IRREGULAR.some((forms) => intersects(forms, stems) && intersects(forms, others));
  return related ? "form" : undefined;
}

/** True of a word that may have other forms. */
export function hasForms(word: string): boolean {
  return WORD.test(word) && (word.length >= LEAST_STEM || SETS.some((set) => set.has(word)));
}
