/**
 * Sum of the latents of a text's words, special tokens left out: a vector that points where its mean does, to its meaning as the frozen encoder has it (mean pooling, as
 * Sentence-BERT does; arXiv 1908.10084). The latents are normalised per coordinate, so none outweighs the others.
 * @param latents [ids.length or more, hidden]
 * @returns [hidden]; zeros where there is no word
 */
export function pooled(latents: Float32Array, ids: readonly number[], hidden: number, special: ReadonlySet<number>): Float32Array {
  const sum = new Float32Array(hidden);
  for (const [place, id] of ids.entries()) {
    if (special.has(id)) continue;
    for (let i = 0; i < hidden; i += 1) sum[i]! += latents[place * hidden + i]!;
  }
  return sum;
}

/** Cosine of the angle between two vectors, -1..1; 0 where either is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [product, mine, other] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    product += a[i]! * b[i]!;
    mine += a[i]! * a[i]!;
    other += b[i]! * b[i]!;
  }
  return mine > 0 && other > 0 ? product / Math.sqrt(mine * other) : 0;
}
