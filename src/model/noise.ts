/**
 * Gaussian noise that depends on nothing but (seed, candidate, step, position, coordinate): neither the place of a row
 * in a batch nor what else runs changes it. Philox4x32-10 (Salmon et al., SC 2011) and the Box-Muller transform.
 */
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const ROUNDS = 10;

function highBits(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0;
}

/** Four random 32-bit words from a 128-bit counter and a 64-bit key, written into `counter`. */
export function philox(counter: Uint32Array, key0: number, key1: number): void {
  let [c0, c1, c2, c3] = counter as unknown as [number, number, number, number];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highBits(M0, c0);
    const high1 = highBits(M1, c2);
    const low0 = Math.imul(M0, c0);
    const low1 = Math.imul(M1, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ key0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ key1) >>> 0, low0 >>> 0];
    key0 = (key0 + W0) >>> 0;
    key1 = (key1 + W1) >>> 0;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/**
 * Fill `out` [positions, hidden] with N(0, 1). Step 0 is the initial state, step i + 1 what the i-th step adds.
 * A position's values do not depend on how many positions there are.
 */
export function gaussian(out: Float32Array, hidden: number, seed: number, candidate: number, step: number): void {
  const counter = new Uint32Array(4);
  const positions = out.length / hidden;
  for (let position = 0; position < positions; position++) {
    for (let k = 0; k < hidden; k += 4) {
      counter[0] = k;
      counter[1] = position;
      counter[2] = step;
      counter[3] = candidate;
      philox(counter, seed >>> 0, 0x7d1);
      for (let half = 0; half < 2 && k + 2 * half < hidden; half++) {
        const u = (counter[2 * half]! + 0.5) / 4294967296;
        const angle = (2 * Math.PI * counter[2 * half + 1]!) / 4294967296;
        const radius = Math.sqrt(-2 * Math.log(u));
        const at = position * hidden + k + 2 * half;
        out[at] = radius * Math.cos(angle);
        if (k + 2 * half + 1 < hidden) out[at + 1] = radius * Math.sin(angle);
      }
    }
  }
}
