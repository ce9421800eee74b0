"""Case lexicon: how words and word pairs are written in mid-sentence, counted over training texts.

The tokenizer of the compact presets is uncased and strips accents, so the server writes casing back from the source
text and, for words the source lacks, from the file made here. Only statistics above a frequency go into it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np

from .data import read_pairs

_ATOM = re.compile(r"[^\W_]+|[^\w\s]|_")
_GARBLED = re.compile("[\x80-\x9f]")
_SENTENCE_END = frozenset(".!?:;\"'“”‘’«»([{-–—…•*/")
# Capitalised in mid-sentence, these tell a headline from a sentence.
_FUNCTION_WORDS = frozenset(
    "The A An Of In On At To For And Or But Is Are Was Do Does Did Can With By From As It You My Your That This".split()
)
_BREAK, _NUMBER = 0, 1  # ids of "no word here" and of any run of digits, written "0" in a pair


@lru_cache(maxsize=1 << 20)
def fold(word: str) -> str:
    """The tokenizer's normal form of a word: lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn").lower()


def well_cased(atoms: list[str]) -> bool:
    """False for a text of no use as a witness: lower-cased, shouted, a headline, or one that writes "i" for "I"."""
    words = [a for a in atoms if a[0].isalpha()]
    if len(words) < 4 or not words[0][0].isupper() or "i" in words:
        return False
    inner = words[1:]
    shouted = sum(len(w) > 1 and w.isupper() for w in inner)
    raised = sum(w[0].isupper() for w in inner)
    headline = sum(w in _FUNCTION_WORDS for w in inner)
    return shouted <= 0.4 * len(inner) and raised <= 0.7 * len(inner) and headline < 2


class _Surfaces:
    """Ids of surface forms, and texts appended as one flat run of ids."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {"": _BREAK, "0": _NUMBER}
        self.flat: list[np.ndarray] = []

    def add(self, text: str) -> None:
        for line in re.split(r"\n|(?<=[.!?])\s+", unicodedata.normalize("NFC", text)):
            atoms = _ATOM.findall(line)
            # C1 controls are what is left of UTF-8 read as Latin-1; its letters would look like accented ones.
            if _GARBLED.search(line) or not well_cased(atoms):
                continue
            row, initial = [_BREAK], True
            for atom in atoms:
                if atom[0].isalpha():
                    # A word that opens a sentence, a quotation or an aside says nothing of its own casing.
                    row.append(_BREAK if initial else self.ids.setdefault(atom, len(self.ids)))
                    initial = False
                elif atom.isdecimal():
                    row.append(_NUMBER)
                    initial = False
                else:
                    row.append(self.ids.setdefault(atom, len(self.ids)))
                    # A hyphen or slash inside a word is no opening: what stands before it is part of the same run.
                    initial = atom in _SENTENCE_END and not (atom in "-/'’" and not initial)
            self.flat.append(np.array(row, dtype=np.int32))


def _majority(groups: dict[str, dict[str, float]]) -> dict[str, str]:
    return {key: max(forms, key=forms.__getitem__) for key, forms in groups.items()}


def _count_words(counts: np.ndarray, surfaces: list[str]) -> dict[str, dict[str, float]]:
    words: dict[str, dict[str, float]] = {}
    for surface, count in zip(surfaces, counts.tolist()):
        if count and surface[:1].isalpha():
            words.setdefault(fold(surface), {})[surface] = count
    return words


def _count_pairs(streams: list[tuple[np.ndarray, float]], size: int, keep: np.ndarray) -> dict[int, float]:
    """Weighted counts of adjacent surface ids, first * size + second, where either side is worth a look."""
    pairs: dict[int, float] = {}
    for ids, weight in streams:
        a, b = ids[:-1].astype(np.int64), ids[1:].astype(np.int64)
        seen = (a != _BREAK) & (b != _BREAK) & (keep[a] | keep[b])
        codes, counts = np.unique(a[seen] * size + b[seen], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist()):
            pairs[code] = pairs.get(code, 0.0) + weight * count
    return pairs


def build_lexicon(
    inputs: list[Path], out: Path, max_rows: int = 110000, min_count: int = 10, min_share: float = 0.6,
    min_pair_gain: float = 20, max_lower: int = 3000, weights: list[float] | None = None,
) -> dict:
    """Count `inputs` (read_pairs files, `max_rows` each, spread evenly) and write the lexicon `out`; its report.

    `weights` gives one weight a file, so that a small set of the served register is not drowned by a large one;
    `min_count` is in plain occurrences, shares and the gain of a pair are weighted. The file holds
    `forms`: words whose majority form is not lower case, as they are written; `lower`: frequent words nearly always in
    lower case, by which a name that only ever opens a sentence is told from an ordinary word; `pairs`: two adjacent
    words where the pair is written otherwise than its words are alone ("the US", "New York"), 0 for any number.
    """
    surfaces, streams = _Surfaces(), []
    for path, weight in zip(inputs, weights or [1.0] * len(inputs), strict=True):
        rows = read_pairs(path)
        surfaces.flat = []
        for k in range(min(max_rows, len(rows))):
            for text in rows[k * len(rows) // min(max_rows, len(rows))]:
                surfaces.add(text)
        streams.append((np.concatenate(surfaces.flat or [np.zeros(0, np.int32)]), weight))
    names, size = list(surfaces.ids), len(surfaces.ids)
    counts = sum(weight * np.bincount(ids, minlength=size) for ids, weight in streams)
    words = _count_words(counts, names)

    plain = sum(np.bincount(ids, minlength=size) for ids, _ in streams)
    alone: dict[str, str] = {}  # what a word is written as without context; lower case where absent
    for key, form in _majority(words).items():
        count, total = words[key][form], sum(words[key].values())
        if form != key and plain[surfaces.ids[form]] >= min_count and count >= min_share * total:
            alone[key] = form
    lower = [(forms.get(key, 0.0), key) for key, forms in words.items()
             if len(key) > 1 and forms.get(key, 0.0) >= max(min_count, 0.9 * sum(forms.values()))]
    lower = [key for _, key in sorted(lower, reverse=True)[:max_lower]]

    keep = np.zeros(size, dtype=bool)
    for key, forms in words.items():
        if key in alone or sum(forms.values()) - forms.get(key, 0.0) >= min_pair_gain:
            keep[[surfaces.ids[f] for f in forms]] = True
    grouped: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for code, count in _count_pairs(streams, size, keep).items():
        pair = names[code // size], names[code % size]
        grouped.setdefault((fold(pair[0]), fold(pair[1])), {})[pair] = count
    pairs = []
    for keys, forms in grouped.items():
        best = max(forms, key=forms.__getitem__)
        default = alone.get(keys[0], keys[0]), alone.get(keys[1], keys[1])
        gain = forms[best] - forms.get(default, 0.0)
        if best != default and gain >= min_pair_gain and forms[best] >= min_share * sum(forms.values()):
            pairs.append((gain, " ".join(best)))
    pairs = [pair for _, pair in sorted(pairs, reverse=True)]

    lexicon = {"version": 1, "forms": " ".join(sorted(alone.values())), "lower": " ".join(sorted(lower)),
               "pairs": sorted(pairs)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(lexicon, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return {"inputs": [p.name for p in inputs], "words_counted": int(sum((s != _BREAK).sum() for s, _ in streams)),
            "forms": len(alone), "lower": len(lower), "pairs": len(pairs), "bytes": out.stat().st_size}
