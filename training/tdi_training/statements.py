"""Statements for a paraphraser whose pairs are all questions: single sentences of running text, and short ones two by two, as pairs
whose target is the sentence itself or a rewording that needs no judgement (a contraction, an adverbial moved). A model that has
only seen questions makes a question of every statement and loses its negations, numbers and names; a faithful near copy is the
better answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from .data import pack, read_pairs
from .selection import split_sentences

SHORTEST, LONGEST, SHORT = 3, 24, 10  # words of a sentence; of one that may be joined with another
SEEN = 8  # sentences of a document that are looked at
NEGATION = re.compile(r"\b(?:not|no|never|nobody|nothing|none|neither|without|cannot)\b|n['’]t\b", re.I)
CONTRACTIONS = [("do not", "don't"), ("does not", "doesn't"), ("did not", "didn't"), ("is not", "isn't"), ("are not", "aren't"), ("was not", "wasn't"),
                ("were not", "weren't"), ("has not", "hasn't"), ("have not", "haven't"), ("had not", "hadn't"), ("would not", "wouldn't"), ("could not", "couldn't"),
                ("should not", "shouldn't"), ("cannot", "can't"), ("will not", "won't"), ("i am", "I'm"), ("we are", "we're"), ("they are", "they're"), ("it is", "it's"),
                ("you are", "you're"), ("i will", "I'll"), ("we will", "we'll"), ("they will", "they'll"), ("we have", "we've"), ("they have", "they've")]
FRONTED = re.compile(r"^((?:In|On|At|After|Before|During|Since|By|Until|From)\s[^,;:]{2,40}),\s([^,;:\"“”]+)\.$")
BACKED = re.compile(r"^([^,;:\"“”]+?)\s((?:in|on|after|before|during|since|until)\s(?:the\s)?[A-Z0-9]\w*(?:\s[A-Z0-9]\w*){0,2})\.$")


def reworded(sentence: str, rng: np.random.Generator) -> str:
    """The sentence with one such rewording, or as it is where none applies. The case of letters is not kept: the encoder is uncased."""
    found = []
    for long, short in CONTRACTIONS:
        for a, b in ((long, short), (short, long)):
            pattern = re.compile(rf"\b{re.escape(a)}\b".replace("'", "['’]"), re.I)
            if pattern.search(sentence) and not (a == "it is" and pattern.search(sentence).end() >= len(sentence) - 1):
                found.append(pattern.sub(b, sentence, count=1))
    if match := FRONTED.match(sentence):
        found.append(f"{match[2]} {match[1]}.")
    if match := BACKED.match(sentence):
        found.append(f"{match[2]}, {match[1]}.")
    return found[rng.integers(len(found))] if found else sentence


def hardness(sentence: str) -> int:
    """How many of the things that such a model loses a sentence has: a negation, a number, names after its first word."""
    return bool(NEGATION.search(sentence)) * 3 + any(c.isdigit() for c in sentence) + any(w[:1].isupper() for w in sentence.split()[1:])


def statements(paths: list[Path], out: Path, tokenizer, rows: int, length: int, exclude: frozenset[str] = frozenset(), joined: float = 0.25,
               reword: float = 0.5, seed: int = 0) -> dict:
    """Writes a prepared folder (texts and pairs.npy): of each file about `rows` texts of `length` tokens at most, of a document one
    sentence, the likelier the harder and when short; `joined` is the share of documents with two short sentences that give those instead, `reword`
    the share of targets that are reworded where that can be done. Returns the report."""
    rng = np.random.default_rng(seed)
    pairs: list[tuple[str, str]] = []
    for path in paths:
        documents = read_pairs(path, exclude)
        taken = 0
        for k in rng.permutation(len(documents)):
            if taken >= rows:
                break
            document, summary = documents[k]
            found = [s for s in [summary, *split_sentences(document)[:SEEN]] if s[-1] in ".!?\"”" and SHORTEST <= len(s.split()) <= LONGEST]
            short = [s for s in found if len(s.split()) <= SHORT]
            if not found:
                continue
            if len(short) > 1 and rng.random() < joined:
                text = " ".join(short[i] for i in rng.permutation(len(short))[:2])
            else:
                weight = np.array([(1.0 + hardness(s)) * (2 if s in short else 1) for s in found])
                text = found[rng.choice(len(found), p=weight / weight.sum())]
            pairs.append((text, reworded(text, rng) if rng.random() < reword else text))
            taken += 1
    ids = [tokenizer([pair[k] for pair in pairs], verbose=False)["input_ids"] for k in (0, 1)]
    kept = [(s, t) for s, t in zip(*ids) if len(s) <= length and len(t) <= length]
    texts: list[list[int]] = []
    rows_of: list[tuple[int, int]] = []
    for source, target in kept:
        rows_of.append((len(texts), len(texts) + (source != target)))
        texts += [source] if source == target else [source, target]
    out.mkdir(parents=True, exist_ok=True)
    flat, offsets = pack(texts)
    np.save(out / "text.ids.npy", flat)
    np.save(out / "text.offsets.npy", offsets)
    np.save(out / "pairs.npy", np.array(rows_of, dtype=np.int64))
    report = {"inputs": [p.name for p in paths], "pairs": len(kept), "reworded": sum(s != t for s, t in kept), "dropped_long": len(pairs) - len(kept),
              "with_a_negation": sum(bool(NEGATION.search(s)) for s, _ in pairs), "with_a_number": sum(any(c.isdigit() for c in s) for s, _ in pairs)}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report
