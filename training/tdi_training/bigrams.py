"""How often tokens follow each other in running text, for the server's ranking of candidates (src/model/fluency.ts): a pair that chance
alone would bring together and that hardly occurs is a slip ("turned into a .", "what the for"). The file holds counts, no text:
little-endian uint32 `version, tokens counted, V, one count for each of V tokens, P`, then P ascending pairs first * V + second.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np

VERSION = 1
LEAST = 2  # times that a pair must occur to count as seen
SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
CHUNK = 50_000  # sentences that are tokenised and counted at a time


def texts(path: Path, every: int):
    """Of every `every`th line of {src, trg} or {document, summary}, its texts."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for k, line in enumerate(lines):
            if k % every == 0:
                row = json.loads(line)
                yield from (row[field] for field in ("src", "trg", "document", "summary") if row.get(field))


def sentences(path: Path, every: int):
    """The sentences of those texts."""
    for text in texts(path, every):
        yield from (s for s in SENTENCE_END.split(text) if s)


def count(paths: list[tuple[Path, float]], tokenizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of the tokens [V], and the pairs (as first * V + second) with theirs. Every sentence stands between its special tokens."""
    size = len(tokenizer)
    single = np.zeros(size, np.int64)
    pairs, times = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(batch: list[str]) -> None:
        nonlocal single, pairs, times
        ids = [np.array(each, np.int64) for each in tokenizer(batch, truncation=True, max_length=256)["input_ids"]]
        single += np.bincount(np.concatenate(ids), minlength=size)
        found, n = np.unique(np.concatenate([each[:-1] * size + each[1:] for each in ids]), return_counts=True)
        pairs, where = np.unique(np.concatenate([pairs, found]), return_inverse=True)
        times = np.bincount(where, weights=np.concatenate([times, n]), minlength=len(pairs)).astype(np.int64)

    batch: list[str] = []
    for path, every in paths:
        for sentence in sentences(path, max(1, int(every))):
            batch.append(sentence)
            if len(batch) == CHUNK:
                add(batch)
                batch = []
    if batch:
        add(batch)
    return single, pairs, times


def bigrams(paths: list[tuple[Path, float]], tokenizer, out: Path) -> dict:
    """Writes the file. Only pairs that chance would bring together at least once need to be known as seen: no other is ever called a slip."""
    single, pairs, times = count(paths, tokenizer)
    size, total = len(single), int(single.sum())
    expected = single[pairs // size] * single[pairs % size] / total
    kept = pairs[(times >= LEAST) & (expected >= 1)]
    np.concatenate([[VERSION, total, size], single, [len(kept)], kept]).astype("<u4").tofile(out)
    return {"tokens": total, "pairs": len(pairs), "kept": len(kept), "bytes": out.stat().st_size}
