"""Sequence-level knowledge distillation (Kim and Rush, arXiv 1606.07947; for non-autoregressive models arXiv 1711.02281): pairs
whose targets are the autoregressive baseline's own. It chooses one wording among many in the same way each time, where
references do not, and a model that writes all positions at once cannot blend what was never there."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .autoregressive import AutoregressiveDecoder
from .data import PackedPairs, pack
from .encoder import FrozenEncoder, spelled
from .mine import similarity
from .rejection import sound
from .search import search_rows


def choose(hypotheses: list[tuple[float, list[int]]], source: list[int], reference: list[int], lowest: float, highest: float,
           reference_weight: float, shortest: float = 0.0) -> list[int] | None:
    """Of the hypotheses within the band of similarity to the source, which keeps copies out, and of at least `shortest` times its
    length (a beam prefers short texts, which leave things out), the one with the best score plus
    `reference_weight` times its similarity to the reference (0: the model's own best; large: section 3.3's sequence-level
    interpolation). None where the band holds none."""
    allowed = [(score + reference_weight * similarity(ids, reference), ids) for score, ids in hypotheses
               if lowest <= similarity(ids, source) <= highest and len(ids) >= shortest * len(source)]
    return max(allowed, key=lambda item: item[0])[1] if allowed else None


def distil(model: AutoregressiveDecoder, encoder: FrozenEncoder, data: PackedPairs, out: Path, beams: int, rows: int | None, lowest: float,
           highest: float, minutes: float, part: int = 0, parts: int = 1, sides: tuple[str, ...] = ("src", "trg"),
           reference_weight: float = 0.5, shortest: float = 0.8, length_power: float = 0.7, skip: int = 0, only_sound: bool = False) -> dict:
    """Writes a prepared folder (texts and pairs.npy) of (source, chosen hypothesis); either side of a row may be the source. `skip` leaves
    out so many of the drawn rows, which an earlier call has asked. Only tokens that the data has at least ten times, and the source's, are written. With `only_sound` (rejection.py) a target has
    the numbers, the negation and the end mark of its source.
    Encode it before training. Stops after `minutes` and keeps what it has. Returns the report."""
    data.load_encodings(in_memory=False)
    picked = np.random.default_rng(0).permutation(len(data))[skip:][:rows][part::parts]
    written = np.bincount(np.concatenate([np.asarray(ids) for ids in {id(ids): ids for ids in data.ids.values()}.values()]))
    frequent = torch.from_numpy(np.flatnonzero(written >= 10))
    texts: list[list[int]] = []
    pairs: list[tuple[int, int]] = []
    began, asked, skipped = time.time(), 0, 0
    blocks = np.array_split(picked, max(1, len(picked) // 4096))
    for block in tqdm(blocks, desc="distil"):
        for side in sides:
            if time.time() - began > 60 * minutes:
                break
            other = "trg" if side == "src" else "src"
            for row, hypotheses in search_rows(model, encoder, data, side, block, beams, length_power=length_power, frequent=frequent).items():
                source, reference = data.tokens(side, row).tolist(), data.tokens(other, row).tolist()
                if only_sound:
                    text = spelled(encoder.tokenizer, source)
                    hypotheses = [(score, ids) for score, ids in hypotheses if sound(spelled(encoder.tokenizer, ids), text)]
                chosen = choose(hypotheses, source[1:-1], reference[1:-1], lowest, highest, reference_weight, shortest)
                asked += 1
                if chosen is None:
                    skipped += 1
                    continue
                pairs.append((len(texts), len(texts) + 1))
                texts += [source, [source[0], *chosen, source[-1]]]
    out.mkdir(parents=True, exist_ok=True)
    flat, offsets = pack(texts)
    np.save(out / "text.ids.npy", flat)
    np.save(out / "text.offsets.npy", offsets)
    np.save(out / "pairs.npy", np.array(pairs, dtype=np.int64))
    report = {"from": data.folder.name, "beams": beams, "asked": asked, "none_in_band": skipped, "pairs": len(pairs), "band": [lowest, highest], "reference_weight": reference_weight, "shortest": shortest, "only_sound": only_sound,
              "seconds": round(time.time() - began, 1)}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report
