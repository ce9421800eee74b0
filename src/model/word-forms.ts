/** Words of which another may stand in the same place and the text says nothing else. */
const SETS = ["is are", "was were", "do does", "has have", "in on at for of to from with by about into as"].map((line) => new Set(line.split(" ")));
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

/** True of two words that are forms of one ("way", "ways"; "create", "creating"), or of which either may be what grammar or custom wants ("do", "does"; "in", "on"). */
export function isOtherForm(word: string, other: string): boolean {
  if (word === other || !WORD.test(word) || !WORD.test(other)) return false;
  if (SETS.some((set) => set.has(word) && set.has(other))) return true;
  const stems = stemsOf(word);
  return [...stemsOf(other)].some((stem) => stems.has(stem));
}

/** True of a word that may have other forms. */
export function hasForms(word: string): boolean {
  return WORD.test(word) && (word.length >= LEAST_STEM || SETS.some((set) => set.has(word)));
}
