"""Paraphrase pairs from a graph of duplicates: questions that share a duplicate, kept where their wordings are close enough."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from rapidfuzz.distance import LCSseq
from tqdm import tqdm

from .data import pack, read_pairs


def similarity(a: list[int], b: list[int]) -> float:
    """ROUGE-L F1 over token ids: 2 LCS / (|a| + |b|)."""
    return 2 * LCSseq.similarity(a, b) / max(1, len(a) + len(b))


def alignment(a: list[int], b: list[int], shift: int = 1) -> float:
    """Share of both texts' tokens that the other has at the same place, give or take `shift` positions."""
    def found(x: list[int], y: list[int]) -> int:
        return sum(token in y[max(0, i - shift) : i + shift + 1] for i, token in enumerate(x))

    return 2 * min(found(a, b), found(b, a)) / max(1, len(a) + len(b))


class Clusters:
    """Union-find over text numbers."""

    def __init__(self, n: int):
        self.parent = list(range(n))

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, a: int, b: int) -> None:
        self.parent[self.find(a)] = self.find(b)

    def groups(self) -> list[list[int]]:
        members: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self.parent)):
            members[self.find(i)].append(i)
        return list(members.values())


def mine(inputs: list[Path], out: Path, tokenizer, direct: tuple[float, float], mined: tuple[float, float], source_length: int,
         target_length: int, aligned: float = 0.0) -> dict:
    """Write a folder of pairs that point into one table of texts. `direct` and `mined` bound the similarity of pairs that
    the files hold and of pairs that only share a duplicate (the relation is not quite transitive, so those want a higher
    floor). The bounds are a choice of task: pairs far apart teach a small model to blend wordings rather than to choose one,
    and near-copies teach it to copy. `aligned` is the least alignment: where a wording begins differently and the rest is shifted,
    early predictions blend neighbours ("has ancient ancient been"). Texts over `target_length` tokens are left out. Returns the report."""
    numbers: dict[str, int] = {}
    edges: set[tuple[int, int]] = set()
    rows = [pair for path in inputs for pair in read_pairs(path)]
    for pair in rows:
        a, b = (numbers.setdefault(" ".join(text.split()), len(numbers)) for text in pair)
        if a != b:
            edges.add((min(a, b), max(a, b)))
    texts = list(numbers)
    ids: list[list[int]] = []
    for start in tqdm(range(0, len(texts), 1000), desc="tokenise", mininterval=5):
        ids += tokenizer(texts[start : start + 1000], truncation=False, verbose=False)["input_ids"]
    usable = [2 < len(x) <= min(source_length, target_length) for x in ids]
    clusters = Clusters(len(texts))
    for a, b in edges:
        clusters.join(a, b)
    pairs: list[tuple[int, int]] = []
    report = {"inputs": [p.name for p in inputs], "rows_read": len(rows), "texts": len(texts), "direct": list(direct), "mined": list(mined),
              "aligned": aligned, "kept_direct": 0, "kept_mined": 0}
    for group in clusters.groups():
        for k, a in enumerate(group):
            for b in group[:k]:
                if not (usable[a] and usable[b]):
                    continue
                kind = "direct" if (min(a, b), max(a, b)) in edges else "mined"
                low, high = direct if kind == "direct" else mined
                one, two = ids[a][1:-1], ids[b][1:-1]
                if low <= similarity(one, two) <= high and alignment(one, two) >= aligned:
                    pairs.append((a, b))
                    report[f"kept_{kind}"] += 1
    out.mkdir(parents=True, exist_ok=True)
    flat, offsets = pack(ids)
    np.save(out / "text.ids.npy", flat)
    np.save(out / "text.offsets.npy", offsets)
    np.save(out / "pairs.npy", np.array(sorted(pairs), dtype=np.int64))
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report
