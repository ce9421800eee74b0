"""Samples of a model's own for the sources of a prepared folder, drawn in PyTorch: what it can be trained on again once they are sorted (rejection.py),
and what a ranker learns from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .data import PackedPairs
from .encoder import FrozenEncoder
from .sample import Clamp, canvas_for, cut, sample, solver_coefficients
from .schedule import NoiseSchedule, time_grid


@torch.no_grad()
def draw(model, decoder, encoder: FrozenEncoder, data: PackedPairs, count: int, samples: int, novelty: tuple[float, float], seed: int, out: Path,
         steps: int = 4, batch: int = 64, precision: str = "fp32") -> int:
    """Appends JSON lines {src, trg, candidates} to `out` for `count` pairs drawn from `data`, either side as the source: `samples` texts of each, every one led
    away from the source by its own share between the two of `novelty`. Pairs of one canvas and width go together; what a file holds already is passed over."""
    config, tok = model.config, encoder.tokenizer
    schedule = NoiseSchedule(config.schedule, config.schedule_d)
    coefficients = solver_coefficients("renoise", schedule, time_grid(steps, schedule, "logsnr", (-9.0, 4.0)))
    special = set(tok.all_special_ids)
    rng = np.random.default_rng(seed)
    rows, swapped = rng.permutation(len(data))[:count], rng.random(count) < 0.5
    groups: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for row, swap in zip(rows, swapped):
        side = "trg" if swap else "src"
        length = int(data.lengths(side)[row])
        groups.setdefault((canvas_for(length, config.canvases), -(-length // 8) * 8), []).append((int(row), side))
    parts = [(canvas, members[start : start + batch]) for (canvas, _), members in groups.items() for start in range(0, len(members), batch)]
    parts = [parts[i] for i in rng.permutation(len(parts))]
    done = len(out.read_text().splitlines()) if out.exists() else 0
    spell = lambda line: tok.decode(cut(line, tok.sep_token_id, special))  # noqa: E731
    with out.open("a") as file:
        for index, (canvas, members) in enumerate(tqdm(parts, desc="samples", mininterval=20)):
            if done >= len(members):
                done -= len(members)
                continue
            sources = [data.tokens(side, row) for row, side in members]
            targets = [data.tokens("src" if side == "trg" else "trg", row) for row, side in members]
            width = max(len(each) for each in sources)
            ids = torch.full((len(sources), width), encoder.pad_id)
            for place, each in enumerate(sources):
                ids[place, : len(each)] = torch.as_tensor(each)
            source, mask = encoder(ids).repeat_interleave(samples, 0), (ids != encoder.pad_id).float().repeat_interleave(samples, 0)
            generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
            share = novelty[0] + (novelty[1] - novelty[0]) * torch.rand(len(source), 1, 1, generator=generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                x = sample(model, source, mask, canvas, coefficients, generator=generator, novelty=share)
                lines = Clamp(encoder, decoder, source, mask, ids.repeat_interleave(samples, 0)).read(x.float())
            texts = [spell(line) for line in lines]
            for place, (from_, to) in enumerate(zip(sources, targets)):
                candidates = list(dict.fromkeys(texts[place * samples : (place + 1) * samples]))
                file.write(json.dumps({"src": spell(list(from_)), "trg": spell(list(to)), "candidates": candidates}, ensure_ascii=False) + "\n")
            file.flush()
            done = 0
    return len(rows)
