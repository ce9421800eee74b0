/**
 * Sentence BLEU-4 of a candidate against one reference, 0..1, with method 4 of Chen and Cherry (WMT 2014, "A systematic
 * comparison of smoothing techniques for sentence-level BLEU") as NLTK computes it, which is what DiffuSeq ranks with:
 * the i-th n-gram order without a match counts as ln(c) / (5 * 2^i) matches, c the candidate's length in tokens.
 */
const ORDERS = 4;
const K = 5;

/** Tokens that BLEU compares: lower-cased words, and every other mark by itself. */
export function bleuTokens(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu) ?? [];
}

function counts(tokens: readonly string[], order: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i + order <= tokens.length; i++) {
    const gram = tokens.slice(i, i + order).join("\u0000");
    found.set(gram, (found.get(gram) ?? 0) + 1);
  }
  return found;
}

/** Candidate n-grams that the reference has too, each at most as often as there; and all of them, at least 1. */
function matches(candidate: readonly string[], reference: readonly string[], order: number): [number, number] {
  const wanted = counts(reference, order);
  let hits = 0;
  for (const [gram, count] of counts(candidate, order)) hits += Math.min(count, wanted.get(gram) ?? 0);
  return [hits, Math.max(1, candidate.length - order + 1)];
}

export function sentenceBleu(candidate: readonly string[], reference: readonly string[]): number {
  const length = candidate.length;
  if (length === 0) return 0;
  let logs = 0;
  let without = 0;
  for (let order = 1; order <= ORDERS; order++) {
    const [hits, total] = matches(candidate, reference, order);
    if (hits === 0 && order === 1) return 0;
    let share = hits / total;
    // A candidate of one token has ln(c) = 0: NLTK then leaves the order out.
    if (hits === 0 && length > 1) share = Math.log(length) / (K * 2 ** ++without) / total;
    if (share > 0) logs += Math.log(share) / ORDERS;
  }
  const brevity = length > reference.length ? 1 : Math.exp(1 - reference.length / length);
  return brevity * Math.exp(logs);
}

/**
 * Mean utility of each text against all others, the sampled stand-in for its expected utility (minimum Bayes risk
 * decoding; Kumar and Byrne, NAACL 2004). 0 for a text alone.
 */
export function meanUtility(texts: readonly string[]): number[] {
  const tokens = texts.map(bleuTokens);
  return tokens.map((mine, i) => {
    const sum = tokens.reduce((total, other, j) => (j === i ? total : total + sentenceBleu(mine, other)), 0);
    return texts.length > 1 ? sum / (texts.length - 1) : 0;
  });
}
