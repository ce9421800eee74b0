/** Longest stretch of tokens that is looked at. */
const LONGEST = 3;

/** Stretches of n tokens that a text itself has twice in a row, as keys. */
function doubled(ids: readonly number[], n: number): Set<string> {
  const found = new Set<string>();
  for (let i = 0; i + 2 * n <= ids.length; i++) {
    const key = ids.slice(i, i + n).join(" ");
    if (key === ids.slice(i + n, i + 2 * n).join(" ")) found.add(key);
  }
  return found;
}

/**
 * Positions of a line of token ids that are kept, in order: all but stretches of up to three tokens that repeat the stretch just
 * before them, unless the source repeats them too or they hold a special token. Positions denoised side by side may settle on
 * the same word, as in non-autoregressive translation (arXiv 1802.06901 removes such repeats too).
 */
export function withoutRepeats(line: readonly number[], source: readonly number[], special: ReadonlySet<number>): number[] {
  const allowed = Array.from({ length: LONGEST + 1 }, (_, n) => (n === 0 ? new Set<string>() : doubled(source, n)));
  const kept: number[] = [];
  for (const place of line.keys()) {
    kept.push(place);
    for (let n = 1; n <= LONGEST && 2 * n <= kept.length; n++) {
      const ids = kept.slice(-2 * n).map((at) => line[at]!);
      const [before, last] = [ids.slice(0, n), ids.slice(n)];
      if (before.join(" ") !== last.join(" ") || allowed[n]!.has(last.join(" ")) || last.some((id) => special.has(id))) continue;
      kept.length -= n;
      break;
    }
  }
  return kept;
}
