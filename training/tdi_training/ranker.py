"""A ranker of paraphrase candidates: a small cross-encoder over the frozen encoder's latents of a candidate and of its source. It learns from the
model's own samples which of them comes nearest to the reference (discriminative reranking; Lee et al., ACL 2021), and from duplicate and merely
similar questions whether two say the same. The server runs it as a graph of the bundle (src/conditioning/ranker.ts)."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from .attend import attend
from .data import read_pairs
from .encoder import FrozenEncoder
from .optim import descend
from .score_graph import export_score

LONGEST = 64  # tokens of a text that are looked at, special ones included
HEADS = ("gain", "same", "human")


class Texts:
    """Normalised latents of many texts, kept in fp16 one after the other."""

    def __init__(self, encoder: FrozenEncoder, texts: list[str], batch: int = 128):
        ids = [each[:LONGEST] for each in encoder.tokenizer(texts, truncation=True, max_length=LONGEST)["input_ids"]]
        lengths = np.array([len(each) for each in ids])
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.latents = torch.zeros(int(self.offsets[-1]), encoder.hidden, dtype=torch.float16)
        order = np.argsort(lengths, kind="stable")
        for start in tqdm(range(0, len(order), batch), desc="encode", mininterval=20):
            rows = order[start : start + batch]
            padded = torch.full((len(rows), int(lengths[rows].max())), encoder.pad_id)
            for row, i in enumerate(rows):
                padded[row, : lengths[i]] = torch.tensor(ids[i])
            latents = encoder(padded).half()
            for row, i in enumerate(rows):
                self.latents[self.offsets[i] : self.offsets[i + 1]] = latents[row, : lengths[i]]

    def batch(self, picked) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [B, T, H] and mask [B, T] of these texts, zeros where there is none."""
        spans = [(self.offsets[i], self.offsets[i + 1]) for i in picked]
        longest = int(max(end - start for start, end in spans))
        out, mask = torch.zeros(len(spans), longest, self.latents.shape[1]), torch.zeros(len(spans), longest)
        for row, (start, end) in enumerate(spans):
            out[row, : end - start] = self.latents[start:end].float()
            mask[row, : end - start] = 1
        return out, mask


class Ranker(nn.Module):
    """candidate [B, T, H], its mask [B, T], source [B, S, H], its mask [B, S] -> logits [B, 3]: near to the reference, says the same,
    written by a person."""

    def __init__(self, hidden: int, width: int = 192, layers: int = 3, drop: float = 0.1):
        super().__init__()
        self.into = nn.Linear(hidden, width)
        self.near = nn.Linear(2, width)
        self.side = nn.Parameter(torch.zeros(2, width))
        self.place = nn.Parameter(torch.zeros(LONGEST, width))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 6, 2 * width, drop, batch_first=True, norm_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.joint, self.out = nn.Linear(4 * width, width), nn.Linear(width, len(HEADS))
        self.drop = nn.Dropout(drop)

    def forward(self, candidate, candidate_mask, source, source_mask):
        a, b = candidate * candidate.shape[-1] ** -0.5, source * source.shape[-1] ** -0.5
        unit = lambda x: x / (x.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt()  # noqa: E731
        alike = unit(a) @ unit(b).transpose(1, 2)
        far = lambda mask: (1 - mask) * -2.0  # noqa: E731
        best_a = (alike + far(source_mask)[:, None, :]).amax(2)
        best_b = (alike + far(candidate_mask)[:, :, None]).amax(1)
        told = lambda best: self.near(torch.stack([best, (best > 0.95).to(best.dtype)], -1))  # noqa: E731
        h = torch.cat([self.drop(self.into(candidate)) + told(best_a) + self.side[0] + self.place[: a.shape[1]],
                       self.drop(self.into(source)) + told(best_b) + self.side[1] + self.place[: b.shape[1]]], 1)
        hidden = (1 - torch.cat([candidate_mask, source_mask], 1))[:, None, None, :] * -1e9
        for block in self.blocks:
            h = attend(block, h, hidden, self.drop)
        h = self.norm(h)
        split = a.shape[1]
        mean = lambda x, mask: (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # noqa: E731
        most = lambda x, mask: (x + (1 - mask)[..., None] * -1e4).amax(1)  # noqa: E731
        joint = torch.cat([mean(h[:, :split], candidate_mask), most(h[:, :split], candidate_mask),
                           mean(h[:, split:], source_mask), most(h[:, split:], source_mask)], -1)
        return self.out(self.drop(F.gelu(self.joint(joint))))


def overlap(texts: list[str], reference: str, scorer) -> np.ndarray:
    """Mean of ROUGE-L and smoothed sentence BLEU (as DiffuSeq smooths it) of each text against one reference, 0..1."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    from .metrics import _words

    smooth = SmoothingFunction().method4
    wanted = _words(reference)
    bleu = [sentence_bleu([wanted], _words(t), smoothing_function=smooth) if _words(t) else 0.0 for t in texts]
    return np.array([(b + scorer.score(reference, t)["rougeL"].fmeasure) / 2 for b, t in zip(bleu, texts)])


class Groups:
    """Sources with their candidates, the reference the last of them, and what each candidate gains."""

    def __init__(self, path: Path, encoder: FrozenEncoder, likeness: float):
        from rouge_score import rouge_scorer

        scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
        texts: list[str] = []
        self.rows: list[tuple[int, list[int]]] = []
        self.gains: list[np.ndarray] = []
        for line in path.read_text().splitlines():
            row = json.loads(line)
            candidates = [*row["candidates"], row["trg"]]
            self.gains.append((overlap(candidates, row["trg"], scorer) - likeness * overlap(candidates, row["src"], scorer)).astype(np.float32))
            self.rows.append((len(texts), list(range(len(texts) + 1, len(texts) + 1 + len(candidates)))))
            texts += [row["src"], *candidates]
        self.texts = Texts(encoder, texts)

    def batch(self, picked):
        """Candidates and sources of these groups as rows: the model's inputs, the gains [n], and the number of candidates of each group."""
        rows = [self.rows[i] for i in picked]
        candidate = self.texts.batch([c for _, candidates in rows for c in candidates])
        source = self.texts.batch([source for source, candidates in rows for _ in candidates])
        return (*candidate, *source), torch.from_numpy(np.concatenate([self.gains[i] for i in picked])), [len(candidates) for _, candidates in rows]


def group_loss(logits: torch.Tensor, gains: torch.Tensor, sizes: list[int], temperature: float) -> torch.Tensor:
    """Among the samples of a source: the expected gain of a draw goes up and the scores follow softmax(gain / temperature). Reference against
    samples: the one is a person's."""
    losses = []
    for each, gain in zip(logits.split(sizes), gains.split(sizes)):
        log = each[:-1, 0].log_softmax(0)
        target = (gain[:-1] / temperature).softmax(0)
        losses.append(-(0.3 * (target * log).sum() + 2 * (log.exp() * gain[:-1]).sum())
                      + 0.3 * F.cross_entropy(each[None, :, 2], torch.tensor([len(each) - 1])))
    return torch.stack(losses).mean()


def pairs_of(paths: list[tuple[Path, int]], encoder: FrozenEncoder, rows: int, seed: int):
    """Up to `rows` pairs of each file (path, label) -> their latents, pair k being texts 2k and 2k + 1, and the labels."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    labels: list[int] = []
    for path, label in paths:
        pairs = read_pairs(path)
        for k in rng.permutation(len(pairs))[:rows]:
            texts += list(pairs[k]) if rng.random() < 0.5 else list(pairs[k])[::-1]
            labels.append(label)
    return Texts(encoder, texts), torch.tensor(labels, dtype=torch.float32)


@torch.no_grad()
def logits_of(model: Ranker, groups: Groups, batch: int = 32) -> list[torch.Tensor]:
    out: list[torch.Tensor] = []
    for start in range(0, len(groups.rows), batch):
        inputs, _, sizes = groups.batch(range(start, min(start + batch, len(groups.rows))))
        out += model(*inputs).split(sizes)
    return out


def report_of(model: Ranker, valid: Groups) -> dict:
    """Mean gain of the sample ranked first by each head, of a drawn one, and of the best there is."""
    logits = logits_of(model, valid)
    gains = [torch.from_numpy(g[:-1]) for g in valid.gains]
    return {**{head: round(float(np.mean([g[each[:-1, k].argmax()] for each, g in zip(logits, gains)])), 4) for k, head in enumerate(HEADS)},
            "drawn": round(float(np.mean([g.mean() for g in gains])), 4), "best": round(float(np.mean([g.max() for g in gains])), 4)}


def fit(groups: Groups, pairs, valid: Groups, epochs: int, seed: int, rate: float = 1e-3, size: int = 12, temperature: float = 0.1) -> tuple[Ranker, dict]:
    """Fits on groups of candidates and on labelled pairs side by side; the learning rate falls to nothing."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Ranker(groups.texts.latents.shape[1])
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.05)
    texts, labels = pairs
    steps = epochs * (len(groups.rows) // size)
    began, step, window = time.time(), 0, []
    bar = tqdm(total=steps, desc="ranker", mininterval=20)
    for _ in range(epochs):
        order = rng.permutation(len(groups.rows))
        for start in range(0, len(order) - size + 1, size):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 100) * max(0.01, 1 - step / steps)
            inputs, gains, sizes = groups.batch(order[start : start + size])
            loss = group_loss(model(*inputs), gains, sizes, temperature)
            picked = rng.integers(0, len(labels), 5 * size)
            same = model(*texts.batch(2 * picked), *texts.batch(2 * picked + 1))[:, 1]
            loss = loss + 0.5 * F.binary_cross_entropy_with_logits(same, labels[picked])
            descend(model, [optimiser], loss)
            step += 1
            window.append(float(loss.detach()))
            bar.update()
        model.eval()
        print(json.dumps({"step": step, "seconds": round(time.time() - began), "loss": round(float(np.mean(window)), 4), **report_of(model, valid)}), flush=True)
        model.train()
        window = []
    bar.close()
    model.eval()
    return model, report_of(model, valid)


def export(model: Ranker, groups: Groups, out: Path) -> dict:
    """The graph of one candidate: candidate [1, T, H] and source [1, S, H] without padding -> score [1], how near to the reference it will be; the other
    heads are there to be learned from. Returns what `export_score` tells of it."""

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, candidate, source):
            return self.model(candidate, torch.ones_like(candidate[..., 0]), source, torch.ones_like(source[..., 0]))[:, 0]

    (candidate, candidate_mask, source, source_mask), _, sizes = groups.batch(range(8))
    alone = lambda x, mask, row: x[row : row + 1, : int(mask[row].sum())]  # noqa: E731
    cases = [{"candidate": alone(candidate, candidate_mask, row), "source": alone(source, source_mask, row)} for row in range(sum(sizes))]
    return export_score(Score().eval(), cases, out)
