"""Content selection for summaries (the first half of bottom-up summarisation, arXiv 1808.10792): a linear score over features of
each sentence says what the model is to read. A short source that leads with the sentence that matters is what a small denoiser can
write from; the rest of a long text would only be blended. The server computes the same features (src/conditioning/selection.ts);
word lists and weights travel in one file.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np

from .data import read_pairs
from .coverage import overlap_f1

ABBREVIATIONS = ("mr mrs ms dr prof sr jr st sen rep gov gen col lt sgt capt rev hon vs etc inc ltd co corp no jan feb aug sept oct nov dec").split()
COMMON = ("the a an of to in and on for is was that with as at by from it be this has have had are were said will he she they we i you not but "
          "his her their its which who after been would about also more than when there one or if up out what can could all so no into over "
          "our my your do did").split()
REFERRING = "he she it they we i but and this that his her these those there however also meanwhile".split()
PERSONAL = "i we you my our me us your".split()
SHORTEST, LONGEST = 5, 45  # words of a sentence that may lead
MOST = 24  # sentences looked at
BOUNDARY = re.compile(r"[.!?][\"”’')\]]*\s+")
WORD = re.compile(r"[^\W_]+")
LOOK_BACK = 16  # characters before or after a mark that are looked at
LAST_WORD = re.compile(r"[A-Za-z.]+$")
INITIALS = re.compile(r"(?:[a-z]\.)*[a-z]")
FEATURES = ("1 / (1 + place)", "is first", "place / sentences", "words / 20", "its square", "log(1 + its words' repetitions elsewhere)", "the same a content word", "share of its content words said elsewhere",
            "content words / words", "share of capitalised words after the first", "words with digits, 3 at most", "has a double quotation mark", "opens with a referring word", "says said or says", "ends in ? or !",
            "personal pronouns, 3 at most", "share of its content words in the first", "in the next", "in the one before", "fewer than 8 sentences", "commas", "is a whole sentence")


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, in its order. A line's end is a sentence's end too; a full stop after an abbreviation or an initial, or
    before a small letter, is none."""
    found: list[str] = []
    for line in text.split("\n"):
        start = 0
        for match in BOUNDARY.finditer(line):
            before = LAST_WORD.search(line[max(start, match.start() - LOOK_BACK) : match.start()])
            last = before.group().lower() if before else ""
            following = line[match.end() : match.end() + LOOK_BACK].lstrip("\"“‘'([")[:1]
            if following.islower() or (line[match.start()] == "." and (last in ABBREVIATIONS or INITIALS.fullmatch(last))):
                continue
            found.append(line[start : match.end()].strip())
            start = match.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def features(text: str) -> tuple[list[str], np.ndarray, list[int]]:
    """All sentences of a text, the features of those that may lead [n, len(FEATURES)], and their places."""
    found = split_sentences(text)
    tokens = [words(s) for s in found[:MOST]]
    content = [{w for w in t if w not in COMMON} for t in tokens]
    spread = Counter(w for c in content for w in c)
    places = [i for i, t in enumerate(tokens) if SHORTEST <= len(t) <= LONGEST]
    rows = []
    for i in places:
        sentence, own, length = found[i], content[i], len(tokens[i])
        n, written = max(1, len(own)), found[i].split()
        elsewhere = sum(spread[w] - 1 for w in own)
        rows.append([
            1 / (1 + i), float(i == 0), i / len(tokens), length / 20, (length / 20) ** 2, math.log(1 + elsewhere), elsewhere / n,
            sum(spread[w] > 1 for w in own) / n, len(own) / length, sum(w[0].isupper() for w in written[1:]) / len(written),
            min(3, sum(any(c.isdigit() for c in w) for w in written)), float(any(q in sentence for q in "\"“”")),
            float(tokens[i][0] in REFERRING), float("said" in tokens[i] or "says" in tokens[i]), float(sentence[-1] in "?!"),
            min(3, sum(w in PERSONAL for w in tokens[i])), len(own & content[0]) / n if i else 0.0,
            len(own & content[i + 1]) / n if i + 1 < len(tokens) else 0.0, len(own & content[i - 1]) / n if i else 0.0,
            float(len(tokens) < 8), float(sentence.count(",")), float(sentence[-1] in ".!?\"”"),
        ])
    return found, np.array(rows, dtype=float).reshape(len(places), len(FEATURES)), places


def gains(sentences: list[str], summary: str) -> list[float]:
    """Of each sentence its unigram plus bigram F1 against the summary."""
    reference = words(summary)
    one, two = Counter(reference), Counter(zip(reference, reference[1:]))
    tokens = [words(sentence) for sentence in sentences]
    return [overlap_f1(Counter(own), one) + overlap_f1(Counter(zip(own, own[1:])), two) for own in tokens]


def fit(paths: list[tuple[Path, float]], exclude: frozenset[str], rows: int, budget: int, seed: int = 0) -> dict:
    """Ridge regression of each sentence's unigram plus bigram F1 against the summary. `paths` are files of {document, summary} and
    the weight of a document of each; of every file `rows` at most are used. Returns the selector as JSON."""
    inputs, wanted, weights = [], [], []
    for path, weight in paths:
        pairs = read_pairs(path, exclude)
        for k in np.random.default_rng(seed).permutation(len(pairs))[:rows]:
            document, summary = pairs[k]
            found, x, places = features(document)
            if not places:
                continue
            wanted += gains([found[place] for place in places], summary)
            inputs.append(x)
            weights += [weight / len(places) ** 0.5] * len(places)
    x, y, w = np.concatenate(inputs), np.array(wanted), np.array(weights)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    z, s = (x - mean) / scale, w.sum()
    centred = z - (w @ z) / s
    ridge = np.linalg.solve((centred * w[:, None]).T @ centred + np.eye(z.shape[1]), (centred * w[:, None]).T @ (y - w @ y / s))
    coefficients = ridge / scale  # the mean only shifts every score alike
    return {"version": 1, "budget": budget, "shortest": SHORTEST, "longest": LONGEST, "most": MOST, "features": dict(zip(FEATURES, (float(f"{c:.6g}") for c in coefficients))),
            "abbreviations": ABBREVIATIONS, "common": COMMON, "referring": REFERRING, "personal": PERSONAL}


def select(text: str, selector: dict, count) -> list[str]:
    """The sentences to be read of a text: its best one first, then the next best ones while all of them have at most
    `selector["budget"]` tokens; `count`(sentence) counts them. A text without two sentences, or none that may lead, stays whole."""
    found, x, places = features(text)
    if len(found) < 2 or not places:
        return [text]
    order = np.argsort(-(x @ np.array(list(selector["features"].values()))), kind="stable")
    chosen, used = [], 0
    for k in order:
        sentence = found[places[k]]
        used += count(sentence)
        if chosen and used > selector["budget"]:
            break
        chosen.append(sentence)
    return chosen


def select_file(source: Path, out: Path, selector: dict, tokenizer, exclude: frozenset[str], lead: bool) -> int:
    """Writes {document, summary} lines with what `select` leaves of each document, joined by spaces; returns how many. With `lead`
    the summary is the best sentence itself, which leaves nothing to choose, so that early predictions have nothing to blend."""
    count = lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])  # noqa: E731
    pairs = read_pairs(source, exclude)
    with gzip.open(out, "wt", encoding="utf-8") as lines:
        for document, summary in pairs:
            chosen = select(document, selector, count)
            lines.write(json.dumps({"document": " ".join(chosen), "summary": chosen[0] if lead else summary}) + "\n")
    return len(pairs)
