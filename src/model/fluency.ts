import { endianness } from "node:os";

const VERSION = 1;

/** How often tokens occur, and which pairs of them follow each other in running text (training/tdi_training/bigrams.py). */
export interface Bigrams {
  total: number;
  /** By token id. */
  counts: Uint32Array;
  /** Ascending, first * counts.length + second. */
  pairs: Uint32Array;
}

/** Reads the bytes of a file of token pairs. @throws TypeError that says what is wrong with it */
export function loadBigrams(bytes: Uint8Array): Bigrams {
  if (bytes.byteLength % 4 !== 0) throw new TypeError("token pairs: the file is no list of 32-bit numbers");
  const copy = Buffer.from(bytes);
  if (endianness() === "BE") copy.swap32();
  const all = new Uint32Array(copy.buffer, copy.byteOffset, copy.byteLength / 4);
  const [version, total = 0, size = 0] = all;
  if (version !== VERSION) throw new TypeError(`token pairs: version ${version}, not ${VERSION}`);
  const counts = all.slice(3, 3 + size);
  const pairs = all.slice(4 + size);
  if (counts.length !== size || pairs.length !== all[3 + size]) throw new TypeError("token pairs: the file is shorter or longer than it says");
  return { total, counts, pairs };
}

/** True where running text has the second token behind the first, if chance alone would bring them together. */
export function has({ counts, pairs }: Bigrams, first: number, second: number): boolean {
  const wanted = first * counts.length + second;
  let [low, high] = [0, pairs.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pairs[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return pairs[low] === wanted;
}

/** How often chance alone would bring two tokens together in the text that was counted. */
export function expected({ total, counts }: Bigrams, first: number, second: number): number {
  return (counts[first]! * counts[second]!) / total;
}

/**
 * Neighbours in a text that chance alone would bring together and that never do so in running text nor in the text's source: what a
 * sampler that writes all places at once leaves behind ("turned into a .").
 * @param ids of the text between its special tokens, and of its source likewise
 */
export function implausiblePairs(bigrams: Bigrams, ids: readonly number[], source: readonly number[]): number {
  const size = bigrams.counts.length;
  const own = new Set(source.slice(1).map((id, i) => source[i]! * size + id));
  let found = 0;
  for (const [i, id] of ids.slice(1).entries()) {
    const before = ids[i]!;
    if (expected(bigrams, before, id) >= 1 && !own.has(before * size + id) && !has(bigrams, before, id)) found += 1;
  }
  return found;
}
