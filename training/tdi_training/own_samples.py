"""Samples of a model's own for the sources of a prepared folder, drawn in PyTorch: what it can be trained on again once they are sorted (rejection.py),
and what a ranker learns from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .data import PackedPairs
from .encoder import FrozenEncoder, spelled
from .sample import generate_rows

CHUNK = 512  # pairs between two writes: enough of each canvas for full batches


def draw(model, decoder, encoder: FrozenEncoder, data: PackedPairs, count: int, samples: int, novelty: tuple[float, float], seed: int, out: Path,
         steps: int = 4, batch: int = 128, precision: str = "fp32") -> int:
    """Appends JSON lines {src, trg, candidates} to `out` for `count` pairs drawn from `data`, either side as the source: `samples` texts of each, led away from the
    source by shares evenly spread between the two of `novelty`. Chunks that the file holds already are passed over. Returns the number of pairs."""
    rows = np.random.default_rng(seed).permutation(len(data))[:count]
    done = len(out.read_text().splitlines()) if out.exists() else 0
    spell = lambda side, row: spelled(encoder.tokenizer, data.tokens(side, row))  # noqa: E731
    with out.open("a") as file:
        for start in tqdm(range(done, len(rows), CHUNK), desc="samples", mininterval=20):
            chunk = rows[start : start + CHUNK].tolist()
            side, other = ("src", "trg") if start // CHUNK % 2 == 0 else ("trg", "src")
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                found = [generate_rows(model, decoder, encoder, data, chunk, model.config, steps, "renoise", seed=(seed + 1) * 1000 + n, batch=batch, novelty=float(share), side=side)
                         for n, share in enumerate(np.linspace(*novelty, samples))]
            file.write("".join(json.dumps({"src": spell(side, row), "trg": spell(other, row), "candidates": list(dict.fromkeys(texts))}, ensure_ascii=False) + "\n"
                               for row, texts in zip(chunk, zip(*found))))
            file.flush()
    return len(rows)
