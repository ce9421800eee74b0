"""Fits an infiller (infiller.py), over as many processes as are given; they share the weights as those of the denoiser's training do (shared.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .acceptability import Acceptability
from .data import PackedPairs, read_pairs
from .encoder import FrozenEncoder
from .infiller import Blanks, Infiller, blanks_of, kept_of, logits_at, loss_of, report_of
from .rejection import judged
from .shared import Shared
from .together import FitOptions, fit_together, prepare_worker, run

Pairs = list[tuple[list[int], list[int]]]
HELD = 512  # pairs that it is reported on
SHORTEST, LONGEST_TARGET, LONGEST_SOURCE = 5, 40, 48  # tokens
READS_WELL = 1.0  # logits from which on a sample is a target


@dataclass
class InfillerOptions(FitOptions):
    least: int = 25  # times that a token occurs in targets to be among those an infiller may choose from


def fit(encoder: tuple[str, int, Path], pairs: Pairs, valid: Pairs, out: Path, o: InfillerOptions) -> Infiller:
    """Fits on drafts drawn anew each time. encoder: its name, layer and statistics. Writes `out` (a checkpoint, from which the same call goes on) at
    every report, and returns the EMA."""
    torch.manual_seed(o.seed)
    first = FrozenEncoder(*encoder[:2])
    model = Infiller(first.hidden, kept_of(pairs, first.tokenizer, o.least), o.width, o.layers)
    return fit_together(model, out, o, {"blanks": 0}, _work, (encoder, pairs, valid, out, o))


def _work(rank: int, shared: Shared, state: dict, source: tuple[str, int, Path], pairs: Pairs, valid: Pairs, out: Path, o: InfillerOptions) -> None:
    seed = prepare_worker(rank, state, o)
    encoder = FrozenEncoder(*source[:2]).load_statistics(source[2])
    rng, draw = np.random.default_rng(seed), Blanks(encoder.tokenizer, pairs, seed)
    order = sorted(pairs, key=lambda pair: (len(pair[1]), len(pair[0])))
    held = _held(Blanks(encoder.tokenizer, pairs, o.seed + 1), valid, o.batch) if rank == 0 else []

    def loss_of_batch() -> torch.Tensor:
        at = int(rng.integers(0, len(order) - o.batch))
        part = order[at : at + o.batch]
        drafts, wanted = zip(*(draw(target) for _, target in part))
        places, target = blanks_of(list(wanted))
        state["blanks"] += len(target) * o.workers
        logits, ids = logits_at(shared.model, encoder, list(drafts), [source for source, _ in part], places)
        return loss_of(logits.float(), ids, target)[0]

    run(rank, shared, state, out, o, loss_of_batch, lambda: {"drafts": state["step"] * o.batch * o.workers, **report_of(shared.ema, encoder, held)})


def _held(draw: Blanks, valid: Pairs, batch: int) -> list:
    """Drafts of held-out targets, their blanks and sources, in batches."""
    held = []
    for start in range(0, len(valid), batch):
        part = valid[start : start + batch]
        drafts, wanted = zip(*(draw(target) for _, target in part))
        held.append((list(drafts), list(wanted), [source for source, _ in part]))
    return held


def examples(encoder: FrozenEncoder, files: list[Path], valid: Path, prepared: list[Path], candidates: list[Path], judge: Path | None) -> tuple[Pairs, Pairs]:
    """Token ids of sources and targets to fit on, and held-out ones: pairs of files both ways, of prepared folders one way, and each source with those of its candidates that read well."""
    def both(pairs: list[tuple[str, str]]) -> Pairs:
        return list(zip(*(encoder.tokenizer(list(side))["input_ids"] for side in zip(*pairs)))) if pairs else []

    rows = [pair for path in files for pair in both(read_pairs(path))]
    rows += [(target, source) for source, target in rows]
    for folder in prepared:
        data = PackedPairs(folder)
        rows += [(data.tokens("src", row).tolist(), data.tokens("trg", row).tolist()) for row in range(len(data))]
    if judge is not None:
        network = Acceptability(encoder.hidden)
        network.load_state_dict(torch.load(judge, weights_only=True))
        groups = [json.loads(line) for path in candidates for line in path.read_text().splitlines()]
        well = judged(network.eval(), encoder, [text for group in groups for text in group["candidates"]])
        rows += both([(group["src"], text) for group in groups for text in group["candidates"] if well[text] > READS_WELL])
    fits = lambda pairs: [(source, target) for source, target in pairs if SHORTEST <= len(target) <= LONGEST_TARGET and len(source) <= LONGEST_SOURCE]  # noqa: E731
    return fits(rows), fits(both(read_pairs(valid)))[:HELD]
