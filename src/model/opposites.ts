/** Words that fit where the other does, and say the opposite, or speak of somebody else ("Why do cats purr when you sleep?"). To a network that fills blanks in, and to the encodings, they are near to one another. */
const PAIRS = (
  "before after, with without, under over, above below, best worst, better worse, more less, most least, good bad, increase decrease, increase reduce, buy sell, buying selling, man woman, men women, boy girl, boys girls, " +
  "male female, he she, his her, him her, husband wife, father mother, brother sister, son daughter, first last, old new, north south, east west, start stop, begin end, win lose, won lost, always never, up down, in out, on off, " +
  "high low, left right, open close, easy hard, easy difficult, cheap expensive, love hate, true false, right wrong, past future, early late, black white, night day, gain lose, import export, allowed required, possible impossible, legal illegal, " +
  "they you, they we, they i, them you, them us, them me, their your, their our, their my"
).split(", ");
const OPPOSITES = new Set(PAIRS.flatMap((pair) => [pair, pair.split(" ").reverse().join(" ")]));

/** True of two lower-case words of which one says the opposite of the other ("before", "after") or means others ("they", "you"), in either order. */
export function areOpposites(one: string, other: string): boolean {
  return OPPOSITES.has(`${one} ${other}`);
}
