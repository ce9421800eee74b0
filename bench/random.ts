/** Numbers from 0 to 1, the same for the same seed. */
export type Random = () => number;

/** mulberry32: small, and good enough to draw loads. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Exponential with mean 1: the time to the next arrival of a Poisson process of rate 1. */
export function exponential(draw: Random): number {
  return -Math.log(1 - draw());
}
