"""A sentence scorer for content selection that reads: a small transformer over the sentences of a text, each by the mean of its encodings (the
model's own frozen encoder) beside the features of selection.py, as BertSumExt reads a document (arXiv 1908.08345) at a thousandth of its size.
Trained on which sentence would overlap the summary most. The server runs it as a graph of the bundle (src/conditioning/selection.ts)."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .attend import attend
from .data import read_pairs
from .optim import descend
from .selection import FEATURES, MOST, features, gains

WORDS_READ = 64  # tokens of a sentence that are encoded
NEVER = -1e4


def pooled(encoder, token_lists: list[list[int]], batch: int = 64) -> np.ndarray:
    """[n, hidden] mean latents of the words of each, special tokens left out; zeros where there is none."""
    out = np.zeros((len(token_lists), encoder.hidden), np.float16)
    order = np.argsort([len(each) for each in token_lists], kind="stable")
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        ids = torch.full((len(rows), max(len(token_lists[i]) for i in rows)), encoder.pad_id)
        for row, i in enumerate(rows):
            ids[row, : len(token_lists[i])] = torch.tensor(token_lists[i])
        with torch.no_grad():
            latents = encoder(ids)
        real = (~encoder.is_special[ids]).float()[..., None]
        out[rows] = ((latents * real).sum(1) / real.sum(1).clamp(min=1)).half().numpy()
    return out


def encode_documents(path: Path, encoder, out: Path, exclude: frozenset[str], rows: int | None, seed: int = 0) -> int:
    """Writes the sentences of a file's {document, summary} pairs as arrays: their encodings, features, whether they may lead, the sum of their unigram and
    bigram F1 against the summary, and each document's number of sentences."""
    pairs = read_pairs(path, exclude)
    if rows is not None:
        pairs = [pairs[k] for k in np.random.default_rng(seed).permutation(len(pairs))[:rows]]
    texts: list[str] = []
    counts, table, may, gained = [], [], [], []
    for document, summary in pairs:
        found, x, places = features(document)
        if not places:
            continue
        kept = found[:MOST]
        rows_of, may_of, gain_of_each = np.zeros((len(kept), len(FEATURES)), np.float32), np.zeros(len(kept), bool), np.zeros(len(kept), np.float32)
        rows_of[places], may_of[places], gain_of_each[places] = x, True, gains([found[place] for place in places], summary)
        texts += kept
        counts.append(len(kept))
        table.append(rows_of)
        may.append(may_of)
        gained.append(gain_of_each)
    ids = [each[:WORDS_READ] for each in encoder.tokenizer(texts, truncation=True, max_length=WORDS_READ)["input_ids"]]
    np.savez(out, encodings=pooled(encoder, ids), features=np.concatenate(table), may=np.concatenate(may), gain=np.concatenate(gained), counts=np.array(counts))
    return len(counts)


class Scorer(nn.Module):
    """encodings [B, n, hidden], features [B, n, f], may [B, n] 1 where a sentence may lead, mask [B, n] 1 where there is one -> scores [B, n]."""

    def __init__(self, hidden: int, width: int = 128, layers: int = 2, drop: float = 0.3):
        super().__init__()
        self.register_buffer("centre", torch.zeros(hidden))
        self.register_buffer("spread", torch.ones(hidden))
        self.register_buffer("feature_centre", torch.zeros(len(FEATURES)))
        self.register_buffer("feature_spread", torch.ones(len(FEATURES)))
        self.sentence, self.document = nn.Linear(hidden, width), nn.Linear(hidden, width)
        self.told = nn.Linear(len(FEATURES) + 1, width)
        self.near = nn.Linear(2, width)
        self.place = nn.Parameter(torch.zeros(MOST, width))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 4, 2 * width, drop, batch_first=True, norm_first=True) for _ in range(layers))
        self.norm, self.out, self.direct = nn.LayerNorm(width), nn.Linear(width, 1), nn.Linear(len(FEATURES) + 1, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, encodings, features, may, mask):
        e = (encodings - self.centre) / self.spread
        x = torch.cat([(features - self.feature_centre) / self.feature_spread * may[..., None], may[..., None]], -1)
        there = mask[..., None]
        whole = (e * there).sum(1, keepdim=True) / there.sum(1, keepdim=True)
        unit = e / (e.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt()
        near = torch.cat([(unit * (whole / (whole.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt())).sum(-1, keepdim=True), (unit * unit[:, :1]).sum(-1, keepdim=True)], -1)
        h = self.drop(self.sentence(self.drop(e))) + self.told(x) + self.near(near) + self.document(whole) + self.place[: e.shape[1]]
        hidden = (1 - mask)[:, None, None, :] * -1e9
        for block in self.blocks:
            h = attend(block, h, hidden, self.drop)
        return (self.out(self.norm(h)) + self.direct(x))[..., 0] + (1 - may) * NEVER


class Ensemble(nn.Module):
    """Mean of the log-probabilities that several give each sentence."""

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, encodings, features, may, mask):
        return torch.stack([member(encodings, features, may, mask).log_softmax(-1) for member in self.members]).mean(0)


def load(path: Path) -> list[torch.Tensor]:
    """Encoded documents as padded arrays: encodings, features, may, mask, gain."""
    with np.load(path) as found:
        arrays = [found["encodings"].astype(np.float32), found["features"], found["may"].astype(np.float32), np.ones(len(found["may"]), np.float32), found["gain"]]
        counts = found["counts"]
    ends = np.cumsum(counts)
    rows = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(rows)) - np.repeat(ends - counts, counts)
    out = []
    for array in arrays:
        padded = np.zeros((len(counts), MOST, *array.shape[1:]), np.float32)
        padded[rows, places] = array
        out.append(torch.from_numpy(padded))
    return out


def gain_of(scores: torch.Tensor, gain: torch.Tensor) -> float:
    """Mean gain of the sentence ranked first."""
    return gain.gather(1, scores.argmax(1, keepdim=True)).mean().item()


def fit(sets: list[tuple[list[torch.Tensor], float]], epochs: int, seed: int, rate: float = 1e-3, batch: int = 128, temperature: float = 0.1) -> Scorer:
    """The expected gain of a draw from softmax(scores) goes up, and the scores follow softmax(gain / temperature)."""
    torch.manual_seed(seed)
    encodings, features, may, mask, gain = (torch.cat(parts) for parts in zip(*(arrays for arrays, _ in sets)))
    weight = torch.cat([torch.full((len(arrays[0]),), w) for arrays, w in sets])
    model = Scorer(encodings.shape[-1])
    real, lead = mask > 0, may > 0
    model.centre.copy_(encodings[real].mean(0)), model.spread.copy_(encodings[real].std(0))
    model.feature_centre.copy_(features[lead].mean(0)), model.feature_spread.copy_(features[lead].std(0) + 1e-6)
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.05)
    steps, step = epochs * -(-len(weight) // batch), 0
    target = (gain / temperature + (1 - may) * NEVER).softmax(1)
    for _ in range(epochs):
        for rows in torch.randperm(len(weight)).split(batch):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 50) * max(0.02, 1 - step / steps)
            log = model(encodings[rows], features[rows], may[rows], mask[rows]).log_softmax(1)
            loss = -(0.3 * (target[rows] * log).sum(1) + 2 * (log.exp() * gain[rows]).sum(1))
            descend(model, [optimiser], (loss * weight[rows]).sum().div(weight[rows].sum()))
            step += 1
    return model.eval()


@torch.no_grad()
def scores_of(model: nn.Module, arrays: list[torch.Tensor], batch: int = 512) -> torch.Tensor:
    return torch.cat([model(*(a[i : i + batch] for a in arrays[:4])) for i in range(0, len(arrays[0]), batch)])


def export(model: nn.Module, arrays: list[torch.Tensor], out: Path) -> float:
    """The graph of one text, its n sentences in order: encodings [n, hidden], features [n, f], may [n] -> scores [n]. Returns the largest
    absolute difference to PyTorch over some texts."""
    import onnxruntime

    class OneText(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, encodings, features, may):
            return self.model(encodings[None], features[None], may[None], torch.ones_like(may)[None])[0]

    names = ["encodings", "features", "may"]
    torch.onnx.export(OneText().eval(), tuple(a[0, :7] for a in arrays[:3]), str(out), input_names=names, output_names=["scores"], dynamic_axes={name: {0: "sentences"} for name in [*names, "scores"]},
                      opset_version=17, dynamo=False)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    worst = 0.0
    for row in range(min(32, len(arrays[0]))):
        n = int(arrays[3][row].sum())
        found = session.run(None, {name: a[row, :n].numpy() for name, a in zip(names, arrays)})[0]
        with torch.no_grad():
            expected = model(*(a[row : row + 1, :n] for a in arrays[:4]))[0]
        worst = max(worst, float(np.abs(found - expected.numpy())[arrays[2][row, :n].numpy() > 0].max()))
    return worst


def fit_scorer(sets: list[tuple[Path, float]], valid: list[Path], epochs: int, members: int, out: Path) -> dict:
    """Fits and exports; returns the gains on validation files, of one member and of all together."""
    torch.set_flush_denormal(True)
    loaded = [(load(path), weight) for path, weight in sets]
    began = time.time()
    fitted = [fit(loaded, epochs, seed) for seed in range(members)]
    model = Ensemble(fitted).eval()
    report: dict = {"seconds": round(time.time() - began), "documents": sum(len(arrays[0]) for arrays, _ in loaded)}
    held = {path: load(path) for path in valid}
    for path, arrays in held.items():
        report[path.stem] = {"member": round(gain_of(scores_of(fitted[0], arrays), arrays[4]), 4), "all": round(gain_of(scores_of(model, arrays), arrays[4]), 4)}
    report["max_abs_error"] = export(model, held[valid[0]], out)
    return report
