"""Targets for the first stage of a summary model: the source's own sentence that says most of what the summary says. They teach
a denoiser to choose and to carry over a whole statement, as autoencoding does for a paraphrase, before it has to reword."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .data import PackedPairs, pack


def overlap_f1(a: Counter, b: Counter) -> float:
    """F1 of two bags (ROUGE-n when they hold n-grams)."""
    hit = sum((a & b).values())
    return 2 * hit / max(1, sum(a.values()) + sum(b.values()))


def bags(tokens: list[int]) -> tuple[Counter, Counter]:
    return Counter(tokens), Counter(zip(tokens, tokens[1:]))


def sentences(tokens: list[int], ends: set[int], least: int, most: int) -> list[tuple[int, int]]:
    """[start, end) of the stretches between end marks that have `least` to `most` tokens, the end mark included."""
    out, start = [], 0
    for i, token in enumerate(tokens):
        if token in ends:
            if least <= i + 1 - start <= most:
                out.append((start, i + 1))
            start = i + 1
    return out


def extract(data: PackedPairs, out: Path, tokenizer, within: int, target_length: int, least_score: float,
            leading: int | None = None) -> dict:
    """Write a folder of (source, best sentence) pairs from one of (source, summary). The sentence lies within the first `within`
    tokens and is the one with the highest mean of unigram and bigram F1 against the summary, if that is above `least_score`.
    With `leading` only so many of its first sentences are looked at: one leaves nothing to choose, so that early predictions have
    nothing to blend."""
    ends = set(tokenizer.convert_tokens_to_ids([".", "?", "!"]))
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    sources, targets, scores = [], [], []
    for row in tqdm(range(len(data)), desc="extract", mininterval=10):
        source = data.tokens("src", row).tolist()
        one, two = bags(data.tokens("trg", row)[1:-1].tolist())
        best, found = least_score, None
        body = source[1:within]
        for start, end in sentences(body, ends, 6, target_length - 2)[:leading]:
            mine = bags(body[start:end])
            score = (overlap_f1(mine[0], one) + overlap_f1(mine[1], two)) / 2
            if score > best:
                best, found = score, body[start:end]
        if found is not None:
            sources.append(source)
            targets.append([first, *found, last])
            scores.append(best)
    out.mkdir(parents=True, exist_ok=True)
    for side, rows in (("src", sources), ("trg", targets)):
        flat, offsets = pack(rows)
        np.save(out / f"{side}.ids.npy", flat)
        np.save(out / f"{side}.offsets.npy", offsets)
    report = {"rows_read": len(data), "rows_kept": len(sources), "within": within, "least_score": least_score, "leading": leading,
              "mean_score": round(float(np.mean(scores)), 4) if scores else None}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report


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
