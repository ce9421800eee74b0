"""Rejection sampling: of a model's own samples the sound one that comes nearest to the reference, to train the model on again (best-of-n targets, as RAFT,
arXiv 2304.06767, and expert iteration do). A target that the model wrote itself is one that it can write at once in all places."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .acceptability import Acceptability, batch_of
from .faithfulness import negated, numbers
from .metrics import _words, is_copy
from .ranker import overlap

LIKENESS = 0.2  # what overlap with the source costs, against overlap with the reference
WORSE = 0.3  # logits that a sample may read worse than its source
SLIPS = 0.03  # what each of them costs
NEAREST = 0.3  # overlap with the reference that a target has at least


@torch.no_grad()
def judged(model: Acceptability, encoder, texts: list[str], batch: int = 128) -> dict[str, float]:
    """How well each text reads, in logits."""
    texts = sorted(set(texts), key=len)
    out: dict[str, float] = {}
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        ids = encoder.tokenizer(part, truncation=True, max_length=64)["input_ids"]
        latents, mask, _ = batch_of(encoder, [(each, [0] * len(each)) for each in ids])
        out.update(zip(part, model(latents, mask)[0].tolist()))
    return out


def _mark(text: str) -> str:
    """The mark that a text ends in, if any."""
    return "" if text[-1:].isalnum() else text[-1:]


def sound(text: str, source: str) -> bool:
    """No copy, no number or negation lost or added, no word twice in a row, and the end mark of its source."""
    words = _words(text)
    return (not is_copy(text, source) and numbers(text) == numbers(source) and negated(text) == negated(source) and _mark(text) == _mark(source)
            and not any(a == b for a, b in zip(words, words[1:])))


def choose(inputs: list[Path], judge: Acceptability, encoder, out: Path) -> dict:
    """Files of {src, trg, candidates} -> pairs {src, trg}, where any candidate is sound, reads about as well as its source and gains more than the mean one."""
    from rouge_score import rouge_scorer

    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    rows = [json.loads(line) for path in inputs for line in path.read_text().splitlines()]
    length = lambda text: len(_words(text))  # noqa: E731
    # None that is shorter than both texts: a model that leaves words out would learn to leave out more.
    kept = [(row, [text for text in row["candidates"] if sound(text, row["src"]) and length(text) >= min(length(row["src"]), length(row["trg"]))]) for row in rows]
    well = judged(judge, encoder, [text for row, texts in kept if texts for text in (row["src"], *texts)])
    gains = mean = 0.0
    pairs: list[dict] = []
    for row, texts in kept:
        texts = [text for text in texts if well[text] >= well[row["src"]] - WORSE]
        if not texts:
            continue
        near = overlap(row["candidates"], row["trg"], scorer)
        gain = near - LIKENESS * overlap(row["candidates"], row["src"], scorer)
        worse = {text: max(0.0, well[row["src"]] - well[text]) for text in texts}
        best = max((i for i, text in enumerate(row["candidates"]) if text in worse), key=lambda i: gain[i] - SLIPS * worse[row["candidates"][i]])
        if gain[best] < gain.mean() or near[best] < NEAREST:
            continue
        gains, mean = gains + float(gain[best]), mean + float(gain.mean())
        pairs.append({"src": row["src"], "trg": row["candidates"][best]})
    out.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
    return {"groups": len(rows), "with_a_sound_one": sum(bool(texts) for _, texts in kept), "kept": len(pairs), "gain": round(gains / max(1, len(pairs)), 4),
            "mean_gain_there": round(mean / max(1, len(pairs)), 4)}
