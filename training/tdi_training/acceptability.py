"""Does a text read as a person's would? A small network over the frozen encoder's latents of one text, trained to tell sentences from the same with a word
dropped, replaced, inflected, moved or added (as ELECTRA tells replaced tokens, arXiv 2003.10555; acceptability as in CoLA, arXiv 1805.12471): what a sampler
that writes all places at once leaves behind ("What is the nuclear membrane do?"). The server runs it as a graph of the bundle (src/model/acceptability.ts)."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .attend import attend
from .encoder import FrozenEncoder
from .optim import descend
from .score_graph import export_score

LONGEST = 64  # tokens of a text that are looked at, special ones included
COMMON = 300  # most frequent tokens, which the corruptions put in
SLIPS = (0.55, 0.3, 0.15)  # shares of sentences with one, two, three of them
TWO_GONE = 0.25  # share of the words dropped that go with the next
STEM = 3  # letters that two forms of a word have in common at least


class Corruptor:
    """Token ids of a sentence -> the same with a slip or two, and where they are. Words are whole: pieces move with their first."""

    def __init__(self, tokenizer, sentences: list[list[int]], seed: int):
        self.rng = np.random.default_rng(seed)
        spelled = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self.inner = np.array([piece.startswith("##") for piece in spelled])
        counts = np.bincount([i for each in sentences for i in each[1:-1]], minlength=len(spelled)).astype(float)
        counts[[not piece.isalpha() for piece in spelled]] = 0
        self.common = np.argsort(-counts)[:COMMON]
        self.shares = counts[self.common] ** 0.75 / (counts[self.common] ** 0.75).sum()
        stems: dict[str, list[int]] = {}
        for i in np.flatnonzero(counts >= 5):
            if len(spelled[i]) >= STEM:
                stems.setdefault(spelled[i][: max(STEM, len(spelled[i]) - 3)], []).append(int(i))
        # Forms of one word: what is left without up to three letters of its end is the other, or likewise cut the same.
        self.forms: dict[int, list[int]] = {}
        for members in stems.values():
            for i in members:
                self.forms.setdefault(i, []).extend(j for j in members if j != i)

    def __call__(self, ids: list[int]) -> tuple[list[int], list[int]]:
        """(corrupted ids, 1 for each token beside or in a slip). The text may come out as it was."""
        words: list[list[int]] = []
        for i in ids[1:-1]:
            if self.inner[i] and words:
                words[-1].append(i)
            else:
                words.append([i])
        marks = [0] * len(words)
        for _ in range(self.rng.choice(3, p=SLIPS) + 1):
            self._slip(words, marks)
        out, told = [ids[0]], [0]
        for word, mark in zip(words, marks):
            out += word
            told += [mark] * len(word)
        out.append(ids[-1])
        return (ids, [0] * len(ids)) if out == ids else (out, [*told, 0])

    def _slip(self, words: list[list[int]], marks: list[int]) -> None:
        if len(words) < 3:
            return
        at = int(self.rng.integers(0, len(words) - 1))  # the mark at the end stays
        drawn = self.rng.random()
        other = lambda: [int(self.rng.choice(self.common, p=self.shares))]  # noqa: E731
        if drawn < 0.3:
            gone = 2 if len(words) > 5 and at + 2 < len(words) and self.rng.random() < TWO_GONE else 1
            del words[at : at + gone], marks[at : at + gone]
            marks[at] = 1
            if at > 0:
                marks[at - 1] = 1
        elif drawn < 0.55:
            forms = self.forms.get(words[at][0]) if len(words[at]) == 1 else None
            words[at] = [int(self.rng.choice(forms))] if forms else other()
            marks[at] = 1
        elif drawn < 0.75:
            words[at] = other()
            marks[at] = 1
        elif drawn < 0.85:
            words.insert(at, other())
            marks.insert(at, 1)
        elif drawn < 0.9:
            words.insert(at, list(words[at]))
            marks.insert(at, 1)
        elif at + 1 < len(words) - 1:
            words[at], words[at + 1] = words[at + 1], words[at]
            marks[at] = marks[at + 1] = 1


class Acceptability(nn.Module):
    """text [B, T, H], mask [B, T] 1 where a token is -> (logits [B] that it reads well, logits [B, T] that a place holds a slip)."""

    def __init__(self, hidden: int, width: int = 192, layers: int = 2, drop: float = 0.1):
        super().__init__()
        self.into = nn.Linear(hidden, width)
        self.place = nn.Parameter(torch.zeros(LONGEST, width))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 6, 2 * width, drop, batch_first=True, norm_first=True) for _ in range(layers))
        self.norm, self.slip = nn.LayerNorm(width), nn.Linear(width, 1)
        self.joint, self.out = nn.Linear(2 * width, width), nn.Linear(width, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, text, mask):
        h = self.drop(self.into(text)) + self.place[: text.shape[1]]
        hidden = (1 - mask)[:, None, None, :] * -1e9
        for block in self.blocks:
            h = attend(block, h, hidden, self.drop)
        h = self.norm(h)
        mean = (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        most = (h + (1 - mask)[..., None] * -1e4).amax(1)
        return self.out(self.drop(F.gelu(self.joint(torch.cat([mean, most], -1)))))[:, 0], self.slip(h)[..., 0]


def tokens_of(paths: list[tuple[Path, float]], tokenizer, seed: int, longest: int = 40, most: int = 400_000) -> list[list[int]]:
    """Sentences of files of pairs (as bigrams.py reads them, of every n-th line), tokenised, in a drawn order."""
    from .bigrams import sentences

    texts = list(dict.fromkeys(text for path, every in paths for text in sentences(path, max(1, int(every)))))
    rng = np.random.default_rng(seed)
    picked = [texts[i] for i in rng.permutation(len(texts))[:most]]
    ids = [each for start in range(0, len(picked), 10_000) for each in tokenizer(picked[start : start + 10_000])["input_ids"]]
    return [each for each in ids if 5 <= len(each) <= longest]


def batch_of(encoder: FrozenEncoder, rows: list[tuple[list[int], list[int]]]):
    """Latents, mask and the marks of slips of padded rows."""
    longest = max(len(ids) for ids, _ in rows)
    padded, marks = torch.full((len(rows), longest), encoder.pad_id), torch.zeros(len(rows), longest)
    for row, (ids, told) in enumerate(rows):
        padded[row, : len(ids)] = torch.tensor(ids)
        marks[row, : len(told)] = torch.tensor(told, dtype=torch.float32)
    with torch.no_grad():
        return encoder(padded).float(), (padded != encoder.pad_id).float(), marks


def pairs(corrupt: Corruptor, sentences: list[list[int]]) -> tuple[list[tuple[list[int], list[int]]], torch.Tensor]:
    """Each sentence as it is and with a slip, and 1 for those as they are."""
    slips = [corrupt(each) for each in sentences]
    rows = [(each, [0] * len(each)) for each in sentences] + slips
    return rows, torch.tensor([1.0] * len(sentences) + [0.0 if any(told) else 1.0 for _, told in slips])


@torch.no_grad()
def report_of(model: Acceptability, encoder: FrozenEncoder, held: list[tuple[list[tuple[list[int], list[int]]], torch.Tensor]]) -> dict:
    """Share of held-out texts told right, and of pairs whose sentence as it is comes before the one with a slip."""
    right = before = total = 0
    for rows, wanted in held:
        text, mask, _ = batch_of(encoder, rows)
        found, _ = model(text, mask)
        half = len(rows) // 2
        right += int(((found > 0) == (wanted > 0.5)).sum())
        before += int((found[:half] > found[half:]).sum())
        total += len(rows)
    return {"accuracy": round(right / total, 4), "ranked": round(before / (total / 2), 4)}


def fit(encoder: FrozenEncoder, sentences: list[list[int]], seed: int, minutes: float | None = None, steps: int | None = None, batch: int = 64,
        rate: float = 1e-3, precision: str = "fp32", init: Path | None = None) -> tuple[Acceptability, dict]:
    """Fits for so many minutes or steps on sentences and their corruptions, a fresh one each time, from the weights of `init` where it is given; 512 sentences are held out."""
    torch.manual_seed(seed)
    corrupt = Corruptor(encoder.tokenizer, sentences, seed)
    held = [pairs(corrupt, sentences[start : start + batch]) for start in range(0, 512, batch)]
    rest = sorted(sentences[512:], key=len)
    model = Acceptability(encoder.hidden)
    if init is not None:
        model.load_state_dict(torch.load(init, weights_only=True))
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.02)
    rng = np.random.default_rng(seed)
    began, step, window, report = time.time(), 0, [], {}
    while (done := step / steps if steps else (time.time() - began) / 60 / minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 200) * max(0.01, 1 - done)
        start = int(rng.integers(0, len(rest) - batch))
        rows, wanted = pairs(corrupt, rest[start : start + batch])
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            text, mask, marks = batch_of(encoder, rows)
            whole, slips = (each.float() for each in model(text, mask))
        loss = F.binary_cross_entropy_with_logits(whole, wanted) + (F.binary_cross_entropy_with_logits(slips, marks, reduction="none") * mask).sum() / mask.sum()
        descend(model, [optimiser], loss)
        step += 1
        window.append(float(loss.detach()))
        if step % 500 == 0:
            report = report_of(model.eval(), encoder, held)
            model.train()
            print(json.dumps({"step": step, "seconds": round(time.time() - began), "sentences": step * batch, "loss": round(float(np.mean(window)), 4), **report}), flush=True)
            window = []
    model.eval()
    return model, {"steps": step, "sentences": step * batch, **report_of(model, encoder, held)}


def export(model: Acceptability, encoder: FrozenEncoder, samples: list[list[int]], out: Path) -> dict:
    """The graph of one text: text [1, T, H] without padding -> score [1], the logit that it reads well, and slips [1, T], the logit for each place that a slip
    is there; and what `export_score` tells of it."""

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, text):
            return self.model(text, torch.ones_like(text[..., 0]))

    cases = [{"text": batch_of(encoder, [(ids, [0] * len(ids))])[0]} for ids in samples[:16]]
    return export_score(Score().eval(), cases, out, places="slips")
