"""Fits a critic (critic.py), over as many processes as are given; they share the weights as those of the denoiser's training do (shared.py)."""

from __future__ import annotations

import copy
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .critic import Critic, Made, losses_of
from .encoder import FrozenEncoder
from .infiller import Infiller
from .shared import Shared, Worker
from .train_infiller import CLIP, LONGEST_SOURCE, LONGEST_TARGET, REPORT_EVERY, SHORTEST, WARM_UP, Pairs

Groups = list[tuple[list[int], list[int], list[list[int]]]]  # source, target, samples
HELD_OUT = 40  # of so many groups one is
HELD = 512  # pairs, and as many groups, that it is reported on


@dataclass
class CriticOptions:
    minutes: float = 60
    batch: int = 32  # pairs; half as many groups
    rate: float = 5e-4
    decay: float = 0.999  # of the EMA
    width: int = 256
    layers: int = 4
    precision: str = "fp32"
    workers: int = 1
    seed: int = 0


def groups_of(encoder: FrozenEncoder, files: list[Path]) -> tuple[Groups, Groups]:
    """Groups of files of candidates, none of whose samples is the target; and every fortieth of them, held out."""
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    ids = lambda texts: encoder.tokenizer(texts)["input_ids"] if texts else []  # noqa: E731
    sources, targets = ids([row["src"] for row in rows]), ids([row["trg"] for row in rows])
    groups: Groups = []
    for row, source, target in zip(rows, sources, targets):
        samples = [each for each in ids([text for text in row["candidates"] if text.strip()]) if SHORTEST <= len(each) <= LONGEST_TARGET and each != target]
        if samples and len(source) <= LONGEST_SOURCE and SHORTEST <= len(target) <= LONGEST_TARGET:
            groups.append((source, target, samples))
    return [group for i, group in enumerate(groups) if i % HELD_OUT], groups[::HELD_OUT][:HELD]


def loaded_infiller(encoder: FrozenEncoder, checkpoint: Path, width: int = 256, layers: int = 4) -> Infiller:
    """The EMA that `fit-infiller` kept."""
    state = torch.load(checkpoint, weights_only=True)["ema"]
    infiller = Infiller(encoder.hidden, state["kept"], width, layers)
    infiller.load_state_dict(state)
    return infiller.eval().requires_grad_(False)


def fit(encoder: tuple[str, int, Path], infiller: Path, pairs: Pairs, groups: Groups, valid: tuple[Pairs, Groups], out: Path, o: CriticOptions) -> Critic:
    """Fits on texts made anew each time. encoder: its name, layer and statistics; infiller: a checkpoint, which draws words and whose layers the critic begins from. Writes
    `out` (a checkpoint, from which the same call goes on) at every report, and returns the EMA."""
    torch.manual_seed(o.seed)
    first = FrozenEncoder(*encoder[:2])
    model = Critic.from_infiller(loaded_infiller(first, infiller), o.width, o.layers)
    ema = copy.deepcopy(model).eval()
    state = {"step": 0, "seconds": 0.0}
    if out.exists():
        saved = torch.load(out, weights_only=True)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        state = {key: saved[key] for key in state}
    shared = Shared.create(model, ema, o.workers)
    args = (shared, state, encoder, infiller, pairs, groups, valid, out, o)
    if o.workers == 1:
        _work(0, *args)
    else:
        torch.multiprocessing.spawn(_work, args, nprocs=o.workers)
    return shared.ema


def _drawn(groups: Groups, rng: np.random.Generator) -> list[tuple[list[int], list[int], list[int]]]:
    """One sample of each group."""
    return [(source, target, samples[int(rng.integers(len(samples)))]) for source, target, samples in groups]


def _work(rank: int, shared: Shared, state: dict, source: tuple[str, int, Path], infiller: Path, pairs: Pairs, groups: Groups, valid: tuple[Pairs, Groups], out: Path, o: CriticOptions) -> None:
    if o.workers > 1:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    encoder = FrozenEncoder(*source[:2]).load_statistics(source[2])
    step = state["step"]
    seed = o.seed + 1000 * rank + step
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    writer = loaded_infiller(encoder, infiller)
    make = Made(encoder, writer, [target for _, target in pairs[:100_000]], seed)
    lengths = lambda row: (len(row[1]), len(row[0]))  # noqa: E731
    pairs, groups = sorted(pairs, key=lengths), sorted(groups, key=lengths)
    held = _held(Made(encoder, writer, [target for _, target in pairs[:100_000]], o.seed + 1), *valid, o.batch) if rank == 0 else []
    worker = Worker(shared, rank, o.workers)
    optimiser = torch.optim.AdamW([p for name, p in shared.model.named_parameters() if name in worker.names], o.rate, weight_decay=0.02, betas=(0.9, 0.98))
    began, window, parent = time.time() - state["seconds"], [], os.getppid()
    start, told = step, lambda: {"step": step, "seconds": round(time.time() - began), "texts": step * o.batch * 3 * o.workers}

    def save() -> None:
        torch.save({"model": shared.model.state_dict(), "ema": shared.ema.state_dict(), "step": step, "seconds": time.time() - began}, out)

    while o.workers == 1 or os.getppid() == parent:
        if rank == 0:
            shared.clock[0] = (time.time() - began) / (60 * o.minutes)
            shared.clock[1] = float(shared.clock[0] < 1)
        worker.wait()
        if not shared.clock[1]:
            break
        for group in optimiser.param_groups:
            group["lr"] = o.rate * min(1.0, (step - start + 1) / WARM_UP) * max(0.01, 1 - float(shared.clock[0]))
        at = rng.random()  # texts of about one length
        first, other = (int(at * (len(rows) - size)) for rows, size in ((pairs, o.batch), (groups, o.batch // 2)))
        with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bf16"):
            part = pairs[first : first + o.batch]
            loss, _ = losses_of(shared.model, encoder, part, make(part), _drawn(groups[other : other + o.batch // 2], rng))
        loss.backward()
        worker.combine(CLIP)
        optimiser.step()
        step += 1
        worker.finish(min(o.decay, (1 + step) / (10 + step)))
        window.append(float(loss.detach()))
        if rank == 0 and step % REPORT_EVERY == 0:
            print(json.dumps({**told(), "loss": round(float(np.mean(window)), 4), **report_of(shared.ema, encoder, held)}), flush=True)
            save()
            window = []
    if rank == 0:
        print(json.dumps({**told(), **report_of(shared.ema, encoder, held)}), flush=True)
        save()


def _held(make: Made, pairs: Pairs, groups: Groups, batch: int) -> list:
    """Held-out pairs, what is made of them, and groups with a sample of each, in batches."""
    rng = np.random.default_rng(0)
    return [(pairs[at : at + batch], make(pairs[at : at + batch]), _drawn(groups[at : at + batch], rng)) for at in range(0, min(len(pairs), len(groups)), batch)]


@torch.no_grad()
def report_of(critic: Critic, encoder: FrozenEncoder, held: list) -> dict:
    """Mean loss; shares of pairs whose text as it is comes before what was made of it, and of groups whose target comes before the sample; area under the curve of places."""
    loss, before, person, scores, marks = [], [], [], [], []
    for part in held:
        value, found = losses_of(critic, encoder, *part)
        loss.append(float(value))
        whole, made = found["whole"].chunk(2)
        before.append((whole > made)[found["wanted"].chunk(2)[1] < 0.5])
        target, sample = found["own"].chunk(2)
        person.append(target > sample)
        scores.append(found["slips"][found["told"] > 0])
        marks.append(found["marks"][found["told"] > 0])
    share = lambda rows: round(float(torch.cat(rows).float().mean()), 4)  # noqa: E731
    order = torch.cat(scores).argsort()
    wrong = torch.cat(marks)[order]
    ranks = torch.arange(1, len(wrong) + 1, dtype=torch.float64)
    positive = float(wrong.sum())
    auc = (float((ranks * wrong).sum()) - positive * (positive + 1) / 2) / (positive * (len(wrong) - positive))
    return {"valid": round(float(np.mean(loss)), 4), "ranked": share(before), "person": share(person), "places": round(auc, 4)}
