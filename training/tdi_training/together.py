"""Fitting one of the small networks of a bundle over several processes that share its weights (shared.py): from a checkpoint where there is one, with an EMA,
a report and a checkpoint every so many steps, until its minutes are over."""

from __future__ import annotations

import copy
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from torch import nn

from .shared import Shared, Worker

CLIP = 1.0
WARM_UP = 300  # steps
REPORT_EVERY = 500  # steps


@dataclass
class FitOptions:
    minutes: float = 60
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.999  # of the EMA
    width: int = 256
    layers: int = 4
    precision: str = "fp32"
    workers: int = 1
    seed: int = 0


def fit_together(model: nn.Module, out: Path, o: FitOptions, counts: dict, work: Callable, args: tuple) -> nn.Module:
    """Runs work(rank, shared, state, *args), a module's function, in every process. `out`: the checkpoint, which is gone on from where it exists; counts: what the
    state counts besides steps and seconds, at its start. Returns the EMA."""
    ema = copy.deepcopy(model).eval()
    state = {"step": 0, "seconds": 0.0, **counts}
    if out.exists():
        saved = torch.load(out, weights_only=True)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        state = {key: saved[key] for key in state}
    shared = Shared.create(model, ema, o.workers)
    if o.workers == 1:
        work(0, shared, state, *args)
    else:
        torch.multiprocessing.spawn(work, (shared, state, *args), nprocs=o.workers)
    return shared.ema


def prepare_worker(rank: int, state: dict, o: FitOptions) -> int:
    """The seed of a process, another after each resumption."""
    if o.workers > 1:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    seed = o.seed + 1000 * rank + state["step"]
    torch.manual_seed(seed)
    return seed


def run(rank: int, shared: Shared, state: dict, out: Path, o: FitOptions, loss_of_batch: Callable[[], torch.Tensor], report: Callable[[], dict]) -> None:
    """A process's loop. loss_of_batch: of a batch of its own, in o.precision; report: what the first process prints of the EMA and of the run."""
    worker = Worker(shared, rank, o.workers)
    optimiser = torch.optim.AdamW([p for name, p in shared.model.named_parameters() if name in worker.names], o.rate, weight_decay=0.02, betas=(0.9, 0.98))
    began, window, parent, start = time.time() - state["seconds"], [], os.getppid(), state["step"]

    def tell(**more) -> None:
        state["seconds"] = time.time() - began
        print(json.dumps({**state, "seconds": round(state["seconds"]), **more, **report()}), flush=True)
        torch.save({"model": shared.model.state_dict(), "ema": shared.ema.state_dict(), **state}, out)

    while o.workers == 1 or os.getppid() == parent:
        if rank == 0:
            shared.clock[0] = (time.time() - began) / (60 * o.minutes)
            shared.clock[1] = float(shared.clock[0] < 1)
        worker.wait()
        if not shared.clock[1]:
            break
        for group in optimiser.param_groups:
            group["lr"] = o.rate * min(1.0, (state["step"] - start + 1) / WARM_UP) * max(0.01, 1 - float(shared.clock[0]))
        with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bf16"):
            loss = loss_of_batch()
        loss.backward()
        worker.combine(CLIP)
        optimiser.step()
        state["step"] += 1
        worker.finish(min(o.decay, (1 + state["step"]) / (10 + state["step"])))
        window.append(float(loss.detach()))
        if rank == 0 and state["step"] % REPORT_EVERY == 0:
            tell(loss=round(float(np.mean(window)), 4))
            window.clear()
    if rank == 0:
        tell()
