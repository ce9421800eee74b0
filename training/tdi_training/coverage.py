"""How much of one text another has: the measure of a sentence against a summary, and the pairs whose summary can be had from its source."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from .data import PackedPairs, pack


def overlap_f1(a: Counter, b: Counter) -> float:
    """F1 of two bags (ROUGE-n when they hold n-grams)."""
    hit = sum((a & b).values())
    return 2 * hit / max(1, sum(a.values()) + sum(b.values()))


def keep_covered(data: PackedPairs, out: Path, within: int, tokens: float, bigrams: float) -> dict:
    """Write a folder of the pairs whose target's tokens and bigrams occur in the first `within` source tokens to at least these
    shares: what a summary takes from elsewhere can only be learned by heart, or invented."""
    kept = []
    for row in range(len(data)):
        source, target = data.tokens("src", row)[:within].tolist(), data.tokens("trg", row)[1:-1].tolist()
        words, pairs = set(source), set(zip(source, source[1:]))
        if (np.mean([t in words for t in target]) >= tokens
                and np.mean([p in pairs for p in zip(target, target[1:])] or [0.0]) >= bigrams):
            kept.append(row)
    out.mkdir(parents=True, exist_ok=True)
    for side in ("src", "trg"):
        flat, offsets = pack([data.tokens(side, row).tolist() for row in kept])
        np.save(out / f"{side}.ids.npy", flat)
        np.save(out / f"{side}.offsets.npy", offsets)
    report = {"rows_read": len(data), "rows_kept": len(kept), "within": within, "tokens": tokens, "bigrams": bigrams}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report
