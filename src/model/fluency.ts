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

function has(pairs: Uint32Array, wanted: number): boolean {
  let [low, high] = [0, pairs.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pairs[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return pairs[low] === wanted;
}

/**
 * Neighbours in a text that chance alone would bring together and that never do so in running text nor in the text's source: what a
 * sampler that writes all places at once leaves behind ("turned into a .").
 * @param ids of the text between its special tokens, and of its source likewise
 */
export function implausiblePairs({ total, counts, pairs }: Bigrams, ids: readonly number[], source: readonly number[]): number {
  const size = counts.length;
  const own = new Set(source.slice(1).map((id, i) => source[i]! * size + id));
  let found = 0;
  for (const [i, id] of ids.slice(1).entries()) {
    const pair = ids[i]! * size + id;
    if (counts[ids[i]!]! * counts[id]! >= total && !own.has(pair) && !has(pairs, pair)) found += 1;
  }
  return found;
}
