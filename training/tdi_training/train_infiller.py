"""Fits an infiller (infiller.py), over as many processes as are given; they share the weights as those of the denoiser's training do (shared.py)."""

from __future__ import annotations

import copy
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .acceptability import Acceptability
from .data import PackedPairs, read_pairs
from .encoder import FrozenEncoder
from .infiller import Blanks, Infiller, blanks_of, kept_of, logits_at, loss_of, report_of
from .rejection import judged
from .shared import Shared, Worker

Pairs = list[tuple[list[int], list[int]]]
CLIP = 1.0
WARM_UP = 300  # steps
REPORT_EVERY = 500  # steps
HELD = 512  # pairs that it is reported on
SHORTEST, LONGEST_TARGET, LONGEST_SOURCE = 5, 40, 48  # tokens
READS_WELL = 1.0  # logits from which on a sample is a target


@dataclass
class InfillerOptions:
    minutes: float = 60
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.999  # of the EMA
    least: int = 25  # times that a token occurs in targets to be among those an infiller may choose from
    width: int = 256
    layers: int = 4
    precision: str = "fp32"
    workers: int = 1
    seed: int = 0


def fit(encoder: tuple[str, int, Path], pairs: Pairs, valid: Pairs, out: Path, o: InfillerOptions) -> Infiller:
    """Fits on drafts drawn anew each time. encoder: its name, layer and statistics. Writes `out` (a checkpoint, from which the same call goes on) at
    every report, and returns the EMA."""
    torch.manual_seed(o.seed)
    first = FrozenEncoder(*encoder[:2])
    model = Infiller(first.hidden, kept_of(pairs, first.tokenizer, o.least), o.width, o.layers)
    ema = copy.deepcopy(model).eval()
    state = {"step": 0, "blanks": 0, "seconds": 0.0}
    if out.exists():
        saved = torch.load(out, weights_only=True)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        state = {key: saved[key] for key in state}
    shared = Shared.create(model, ema, o.workers)
    args = (shared, state, encoder, pairs, valid, out, o)
    if o.workers == 1:
        _work(0, *args)
    else:
        torch.multiprocessing.spawn(_work, args, nprocs=o.workers)
    return shared.ema


def _work(rank: int, shared: Shared, state: dict, source: tuple[str, int, Path], pairs: Pairs, valid: Pairs, out: Path, o: InfillerOptions) -> None:
    if o.workers > 1:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    encoder = FrozenEncoder(*source[:2]).load_statistics(source[2])
    step, blanks = state["step"], state["blanks"]
    seed = o.seed + 1000 * rank + step
    rng, draw = np.random.default_rng(seed), Blanks(encoder.tokenizer, pairs, seed)
    order = sorted(pairs, key=lambda pair: (len(pair[1]), len(pair[0])))
    held = _held(Blanks(encoder.tokenizer, pairs, o.seed + 1), valid, o.batch) if rank == 0 else []
    worker = Worker(shared, rank, o.workers)
    optimiser = torch.optim.AdamW([p for name, p in shared.model.named_parameters() if name in worker.names], o.rate, weight_decay=0.02, betas=(0.9, 0.98))
    began, window, parent = time.time() - state["seconds"], [], os.getppid()
    start = step
    while o.workers == 1 or os.getppid() == parent:
        if rank == 0:
            shared.clock[0] = (time.time() - began) / (60 * o.minutes)
            shared.clock[1] = float(shared.clock[0] < 1)
        worker.wait()
        if not shared.clock[1]:
            break
        for group in optimiser.param_groups:
            group["lr"] = o.rate * min(1.0, (step - start + 1) / WARM_UP) * max(0.01, 1 - float(shared.clock[0]))
        at = int(rng.integers(0, len(order) - o.batch))
        part = order[at : at + o.batch]
        drafts, wanted = zip(*(draw(target) for _, target in part))
        places, target = blanks_of(list(wanted))
        with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bf16"):
            logits, ids = logits_at(shared.model, encoder, list(drafts), [source for source, _ in part], places)
        loss, _ = loss_of(logits.float(), ids, target)
        loss.backward()
        worker.combine(CLIP)
        optimiser.step()
        step += 1
        worker.finish(min(o.decay, (1 + step) / (10 + step)))
        blanks += len(target) * o.workers
        window.append(float(loss.detach()))
        if rank == 0 and step % REPORT_EVERY == 0:
            seconds = time.time() - began
            print(json.dumps({"step": step, "seconds": round(seconds), "drafts": step * o.batch * o.workers, "blanks": blanks,
                              "loss": round(float(np.mean(window)), 4), **report_of(shared.ema, encoder, held)}), flush=True)
            torch.save({"model": shared.model.state_dict(), "ema": shared.ema.state_dict(), "step": step, "blanks": blanks, "seconds": seconds}, out)
            window = []
    if rank == 0:
        print(json.dumps({"step": step, "drafts": step * o.batch * o.workers, "blanks": blanks, **report_of(shared.ema, encoder, held)}), flush=True)
        torch.save({"model": shared.model.state_dict(), "ema": shared.ema.state_dict(), "step": step, "blanks": blanks, "seconds": time.time() - began}, out)


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
