"""Train the autoregressive baseline with the denoiser's data, batches, optimiser and workers; and score it by generating."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .autoregressive import AutoregressiveDecoder
from .batches import BatchOptions, BatchStream, ResidentPairs
from .config import ModelConfig
from .data import PackedPairs
from .encoder import FrozenEncoder
from .metrics import scores
from .optim import build_optimisers, set_rates
from .search import search_rows
from .shared import Shared, Worker
from .train import save_checkpoint, save_ema


def load_autoregressive(path: Path, encoder: FrozenEncoder) -> AutoregressiveDecoder:
    """The averaged weights of a checkpoint, in fp32 and eval mode."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    model = AutoregressiveDecoder(ModelConfig.from_json(saved["config"]), encoder.word_embeddings)
    model.load_state_dict({k: v.float() for k, v in saved["ema"].items()})
    return model.eval()


def train_autoregressive(config: ModelConfig, stats: Path, sets: list[tuple[Path, float]], valid: Path, references, out: Path,
                         minutes: float, b: BatchOptions, lr: float, muon_lr: float, ema_decay: float, workers: int,
                         rows: int, seed: int, init: Path | None = None, precision: str = "fp32") -> None:
    """Runs for `minutes` of training in all, over as many processes as it takes; the rate decays as a cosine of the clock."""
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    encoder = FrozenEncoder(config.encoder, config.layer)
    model = AutoregressiveDecoder(config, encoder.word_embeddings)
    model.init_from_encoder(config.encoder)
    if init:
        model.load_state_dict(load_autoregressive(init, encoder).state_dict())
    ema = copy.deepcopy(model).eval()
    state = {"step": 0, "examples": 0, "seconds": 0.0}
    last = out / "last.pt"
    if last.exists():
        saved = torch.load(last, weights_only=True)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        state = {k: saved[k] for k in state}
        print(f"resumed at step {state['step']}, {state['seconds'] / 60:.1f} min")
    shared = Shared.create(model, ema, workers)
    args = (shared, state, config, stats, sets, out, minutes, b, lr, muon_lr, ema_decay, workers, seed, precision)
    if workers == 1:
        train_worker(0, *args)
    else:
        torch.multiprocessing.spawn(train_worker, args, nprocs=workers)
    report = score(load_autoregressive(out / "ema.pt", encoder), encoder.load_statistics(stats), PackedPairs(valid), references, rows)
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(report) + "\n")
    print(json.dumps(report, indent=1))


def train_worker(rank: int, shared: Shared, state: dict, config: ModelConfig, stats: Path, sets, out: Path, minutes: float, b: BatchOptions,
                 lr: float, muon_lr: float, ema_decay: float, workers: int, seed: int, precision: str) -> None:
    """The loop of one worker; worker 0 also keeps the clock, writes the log and saves."""
    if workers > 1:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    step, examples = state["step"], state["examples"]
    torch.manual_seed(seed + 1000 * rank + step)
    encoder = FrozenEncoder(config.encoder, config.layer).load_statistics(stats)

    stream = BatchStream([(ResidentPairs.open(folder, torch.device("cpu"), encoder), w) for folder, w in sets], config.canvases, config.source_length, b,
                         encoder.tokenizer("")["input_ids"], (seed, step), (rank, workers))
    worker = Worker(shared, rank, workers)
    optimisers = build_optimisers(shared.model, "muon", lr, muon_lr, names=worker.names, bf16=precision == "bf16")
    base = [[g["lr"] for g in opt.param_groups] for opt in optimisers]
    kept = out / f"optimiser{rank}.pt"
    if step and kept.exists():
        for opt, saved in zip(optimisers, torch.load(kept, weights_only=True)):
            opt.load_state_dict(saved)
    shared.model.train()
    bar = tqdm(desc=out.name, mininterval=20, unit="ex", initial=examples, disable=rank > 0)
    began, saved_at, window, parent = time.time() - state["seconds"], time.time(), [], os.getppid()
    while workers == 1 or os.getppid() == parent:
        if rank == 0:
            seconds = time.time() - began
            saving = time.time() - saved_at > 240 or seconds > 60 * minutes
            shared.clock[0] = seconds / (60 * minutes)
            shared.clock[1] = 2.0 if saving and step > state["step"] else 1.0
        worker.wait()
        progress = float(shared.clock[0])
        if shared.clock[1] == 2.0:
            torch.save([opt.state_dict() for opt in optimisers], kept)
            if rank == 0:
                save_checkpoint(out / "last.pt", shared.model, shared.ema, step, seconds, examples, config, best=-1.0)
                save_ema(out / "ema.pt", shared.ema, config)
                saved_at = time.time()
            worker.wait()
        if progress >= 1.0:
            break
        set_rates(optimisers, base, min(1.0, (step + 1) / 30) * max(0.01, 0.5 * (1 + math.cos(math.pi * progress))))
        batch = stream.draw()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = shared.model.loss(batch.target_ids, batch.source, batch.mask, batch.source_ids, encoder.pad_id)
        loss.backward()
        worker.combine(1.0)
        for opt in optimisers:
            opt.step()
        step += 1
        examples += len(batch.target) * workers
        worker.finish(min(ema_decay, (1 + step) / (10 + step)))
        if rank == 0:
            bar.update(len(batch.target) * workers)
            window.append(float(loss.detach()))
            if step % 25 == 0:
                row = {"step": step, "examples": examples, "seconds": round(seconds, 1), "nll": round(float(np.mean(window)), 4)}
                bar.set_postfix_str(f"nll {row['nll']}")
                with (out / "log.jsonl").open("a") as log:
                    log.write(json.dumps(row) + "\n")
                window = []
    bar.close()


def score(model: AutoregressiveDecoder, encoder: FrozenEncoder, valid: PackedPairs, references, rows: int, beams=(1, 4)) -> dict:
    """Scores of the first validation rows, greedy and with a beam."""
    sources, targets = references
    picked = np.arange(min(rows, len(valid)))
    report: dict = {}
    for width in beams:
        found = search_rows(model, encoder, valid, "src", picked, width)
        texts = [encoder.tokenizer.decode(found[int(i)][0][1]) if found[int(i)] else "" for i in picked]
        report[f"beam {width}"] = {**scores(texts, [targets[i] for i in picked], [sources[i] for i in picked]),
                                   "samples": [[sources[i], texts[i]] for i in range(8)]}
    return report
