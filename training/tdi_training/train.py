"""Train the denoiser: mean squared error of x0 with self-conditioning, EMA, resumable, scored by generating."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .adapters import adapt, merged
from .batches import Batch, BatchOptions, BatchStream, ResidentPairs
from .config import ModelConfig
from .data import PackedPairs
from .decoder import Decoder
from .denoiser import Denoiser, step_flops
from .encoder import FrozenEncoder
from .metrics import scores
from .optim import build_optimisers, set_rates
from .reading import ReadingLoss
from .sample import generate_rows
from .schedule import NoiseSchedule, loss_weight, sample_times
from .shared import Shared, Worker
from .train_decoder import load_decoder
from .unroll import unroll


READ_SHARE = 0.5  # of a batch's rows are read for `read_weight`


@dataclasses.dataclass
class TrainOptions:
    minutes: float = 60.0  # the learning rate follows the wall clock, so a run ends well whatever its speed
    lr: float = 6e-4
    optimiser: str = "adamw"  # adamw | muon
    muon_lr: float = 0.01
    warmup: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    self_condition: float = 0.25  # share of batches with a first pass as self-condition
    unroll: float = 0.0  # share of batches noised from the model's own draft, which is their self-condition too
    read_weight: float = 0.0  # of the cross-entropy of the target's tokens in the decoder's reading of x0, beside the squared error (reading.py)
    times: str = "mixed"
    weight: str = "none"
    autoencode: float = 0.33  # share of the run over which autoencoding batches (target = source, part of it hidden) fade out
    autoencode_floor: float = 0.0  # share of batches that stay autoencoding to the end
    init: str = "encoder"  # encoder | random | a denoiser checkpoint to start from
    adapter_rank: int = 0  # above 0 the weights of `init` stay and adapters of this rank are trained beside them (adapters.py)
    workers: int = 1  # processes that share the weights, each on a core and a batch of its own
    precision: str = "bf16"  # fp32 where the CPU multiplies bf16 no faster: time a product in both first
    compile: bool = True
    hot_shapes: str = "16x16,24x16,16x24,24x24"  # canvas x source width worth compiling; the rare rest runs eagerly
    seed: int = 0
    checkpoint_minutes: float = 5.0
    validate_minutes: float = 12.0
    validate_rows: int = 256


def autoencode_share(progress: float, o: TrainOptions) -> float:
    """Probability of an autoencoding batch at a point of the run in [0, 1]: from 1 down to the floor."""
    fading = 1.0 - progress / o.autoencode if o.autoencode > 0 else 0.0
    return max(o.autoencode_floor, fading)


def held_out_batches(valid: ResidentPairs, config: ModelConfig, null_ids: list[int], batch: int = 128, count: int = 4):
    """A few fixed batches of held-out pairs: no swap, nothing dropped."""
    options = BatchOptions(batch=min(batch, 128), swap=False, source_dropout=0.0, token_dropout=0.0)
    stream = BatchStream([(valid, 1.0)], config.canvases, config.source_length, options, null_ids, 1)
    return [stream.draw() for _ in range(count)]


@torch.no_grad()
def held_out_loss(model: Denoiser, drawn: list[Batch], schedule: NoiseSchedule) -> dict[str, float]:
    """Mean squared error of x0 at fixed log-SNR, no self-condition; same batches and noise at every call."""
    generator = torch.Generator(drawn[0].target.device).manual_seed(1234)
    out: dict[str, float] = {}
    for log_snr in (-8.0, -4.0, -2.0, 0.0, 2.0):
        t = schedule.time_of_log_snr(torch.tensor([log_snr])).to(drawn[0].target.device)
        a = schedule.alpha(t)
        total = 0.0
        for b in drawn:
            noise = torch.randn(b.target.shape, generator=generator, device=b.target.device)
            x = a.sqrt() * b.target + (1 - a).sqrt() * noise
            with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
                guess = model(x, t.expand(len(x)), b.source, b.mask, torch.zeros_like(x))
            total += float((guess.float() - b.target).pow(2).mean())
        out[f"logsnr{log_snr:g}"] = round(total / len(drawn), 4)
    return out


def save_checkpoint(path: Path, model, ema, step, seconds, examples, config, best) -> None:
    partial = path.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "ema": ema.state_dict(), "step": step, "seconds": seconds, "examples": examples, "config": config.to_json(), "best": best}, partial)
    partial.replace(path)


def save_ema(path: Path, ema: Denoiser, config: ModelConfig) -> None:
    """The EMA alone in fp16: what is worth keeping of a run."""
    torch.save({"ema": {k: v.half() for k, v in ema.state_dict().items()}, "config": config.to_json()}, path)


def load_denoiser(path: Path) -> Denoiser:
    """The EMA denoiser of a checkpoint or of an exported EMA file, in fp32 and eval mode."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    model = Denoiser(ModelConfig.from_json(saved["config"]))
    model.load_state_dict(merged({k: v.float() for k, v in saved["ema"].items()}))
    return model.eval()


def prepare_model(config: ModelConfig, init: str) -> Denoiser:
    """A denoiser to start from: the encoder's own layers, random weights, or a checkpoint. What a checkpoint lacks (position
    embeddings of the source, the copying output) starts as with `encoder`."""
    model = Denoiser(config)
    if init != "random":
        model.init_from_encoder(config.encoder)
    if init not in ("encoder", "random"):
        weights = load_denoiser(Path(init)).state_dict()
        own = model.state_dict()
        for name, value in weights.items():  # a longer or shorter table of positions takes over what both have
            rows = min(len(value), len(own[name])) if value.ndim else None
            if value.shape[1:] != own[name].shape[1:]:
                raise SystemExit(f"{init}: {name} is {tuple(value.shape)}, the model's is {tuple(own[name].shape)}")
            own[name][:rows] = value[:rows]
    return model


def train(config: ModelConfig, stats: Path, sets: list[tuple[Path, float]], valid: Path, decoder: Path | None,
          references: tuple[list[str], list[str]], out: Path, o: TrainOptions, b: BatchOptions, device: str = "cpu",
          sampling: dict | None = None) -> None:
    """Runs for `o.minutes` of training time in all, over as many processes as it takes. `sets` and `valid` are prepared
    folders, `references` the validation sources and targets as text, for scores of generated rows. With `o.workers` > 1 as
    many processes of one thread each share the weights (shared.py), each with batches of `b.batch` rows."""
    torch.manual_seed(o.seed)
    out.mkdir(parents=True, exist_ok=True)
    model = prepare_model(config, o.init)
    if o.adapter_rank:
        if o.init in ("encoder", "random"):
            raise SystemExit("--adapter-rank needs a trained denoiser as --init")
        adapt(model, o.adapter_rank)
    model.to(device)
    ema = copy.deepcopy(model).eval()
    state = {"step": 0, "examples": 0, "seconds": 0.0, "best": -1.0}
    last = out / "last.pt"
    if last.exists():
        saved = torch.load(last, weights_only=True, map_location=device)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        state = {k: saved[k] for k in state}
        print(f"resumed at step {state['step']}, {state['seconds'] / 60:.1f} min")
    else:
        (out / "run.json").write_text(json.dumps(
            {"config": config.to_json(), "train": dataclasses.asdict(o), "batches": dataclasses.asdict(b), "device": device,
             "sets": [[folder.name, w] for folder, w in sets], "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)}, indent=1))
    shared = Shared.create(model, ema, o.workers)
    args = (shared, state, config, stats, sets, valid, decoder, references, out, o, b, device, sampling)
    if o.workers == 1:
        train_worker(0, *args)
    else:
        torch.multiprocessing.spawn(train_worker, args, nprocs=o.workers)


def train_worker(rank: int, shared: Shared, state: dict, config: ModelConfig, stats: Path, sets, valid_folder: Path,
                 decoder_path: Path | None, references, out: Path, o: TrainOptions, b: BatchOptions, device: str, sampling) -> None:
    """The loop of one worker; worker 0 also keeps the clock, writes the log, validates and saves."""
    if o.workers > 1:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dev = torch.device(device)
    first = rank == 0
    step, examples, best = state["step"], state["examples"], state["best"]
    torch.manual_seed(o.seed + 1000 * rank + step)
    encoder = FrozenEncoder(config.encoder, config.layer).load_statistics(stats).to(dev)

    null_ids = encoder.tokenizer("")["input_ids"]
    resident = [(ResidentPairs.open(folder, dev, encoder), w) for folder, w in sets]
    stream = BatchStream(resident, config.canvases, config.source_length, b, null_ids, (o.seed, step), (rank, o.workers))
    reading = None
    if o.read_weight:
        if decoder_path is None:
            raise SystemExit("--read-weight needs a --decoder")
        reading = ReadingLoss(load_decoder(decoder_path, encoder).to(dev), encoder, [pairs.data for pairs, _ in resident])
    schedule = NoiseSchedule(config.schedule, config.schedule_d)
    worker = Worker(shared, rank, o.workers)
    model, ema = shared.model, shared.ema
    optimisers = build_optimisers(model, o.optimiser, o.lr, o.muon_lr, o.weight_decay, worker.names, o.precision == "bf16")
    base = [[g["lr"] for g in opt.param_groups] for opt in optimisers]
    kept = out / f"optimiser{rank}.pt"
    if step and kept.exists():
        for opt, saved in zip(optimisers, torch.load(kept, weights_only=True, map_location=dev)):
            opt.load_state_dict(saved)
    scoring = None
    if first:
        valid = ResidentPairs.open(valid_folder, dev, encoder)
        decoder = load_decoder(decoder_path, encoder) if decoder_path else None
        held = held_out_batches(valid, config, null_ids, b.batch)
        scoring = Scoring(ema, decoder, encoder, valid.data, references, held, schedule, config, o, out, sampling or {})
    compiled = torch.compile(model, dynamic=False) if o.compile else model
    hot = {tuple(int(n) for n in shape.split("x")) for shape in o.hot_shapes.split(",")}
    precision = contextlib.nullcontext if o.precision == "fp32" else (lambda: torch.autocast(dev.type, torch.bfloat16))
    model.train()
    bar = tqdm(desc=out.name, mininterval=10, unit="ex", initial=examples, disable=not first)
    began = time.time() - state["seconds"]
    saved_at = validated_at = window_began = time.time()
    window: list[float] = []
    reads: list[float] = []
    flops, paused = 0.0, 0.0
    rng = np.random.default_rng((o.seed, step, 7))  # the same for all, so that no worker waits for a dearer batch of another
    parent = os.getppid()
    while True:
        if o.workers > 1 and os.getppid() != parent:
            return  # the process that started the workers is gone
        if first:
            seconds = time.time() - began - paused
            shared.clock[0] = seconds / (60 * o.minutes)
            shared.clock[1] = float(shared.clock[0] < 1.0)
        worker.wait()
        if not shared.clock[1]:
            break
        progress = float(shared.clock[0])
        scale = min(1.0, (step + 1) / o.warmup) * max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))
        set_rates(optimisers, base, scale)
        batch = stream.draw(autoencode=rng.random() < autoencode_share(progress, o))
        x0 = batch.target
        t = sample_times(len(x0), schedule, o.times, device=dev)
        alpha = schedule.alpha(t)
        a = alpha[:, None, None]
        drawn = rng.random()
        conditioned = drawn < o.unroll + (1 - o.unroll) * o.self_condition
        forward = compiled if (x0.shape[1], batch.source.shape[1]) in hot else model
        previous = torch.zeros_like(x0)
        with precision():
            if drawn < o.unroll:
                x, previous = unroll(lambda x, t: model(x, t, batch.source, batch.mask, torch.zeros_like(x)), x0, alpha, schedule)
            else:
                x = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn_like(x0)
                if conditioned:
                    with torch.no_grad():
                        previous = model(x, t, batch.source, batch.mask, previous).float()
            guess = forward(x, t, batch.source, batch.mask, previous)
            read = reading(guess, batch, READ_SHARE) if reading else None
        error = (guess.float() - x0).pow(2).mean(dim=(1, 2))
        loss = (error * loss_weight(alpha, o.weight)).mean()
        if read is not None:
            loss = loss + o.read_weight * read
            if first:
                reads.append(float(read.detach()))
        loss.backward()
        worker.combine(o.clip)
        for opt in optimisers:
            opt.step()
        step += 1
        examples += len(x0) * o.workers
        worker.finish(min(o.ema, (1 + step) / (10 + step)))
        now = time.time()
        # Every worker saves its own part, at the same step; only the first may tell the time.
        if first:
            shared.clock[1] = 2.0 if now - saved_at > 60 * o.checkpoint_minutes else 1.0
        worker.wait()
        saving = float(shared.clock[1]) == 2.0
        if saving:
            torch.save([opt.state_dict() for opt in optimisers], kept)
            saved_at = now
        worker.wait()
        if not first:
            continue
        flops += o.workers * step_flops(config, len(x0), x0.shape[1], batch.source.shape[1]) * (4 if conditioned else 3)
        bar.update(len(x0) * o.workers)
        window.append(float(loss.detach()))
        if step % 50 == 0:
            row = {"step": step, "examples": examples, "seconds": round(seconds, 1), "loss": round(float(np.mean(window)), 4),
                   "tflops": round(flops / (now - window_began) / 1e12, 3), "lr": round(scale, 4)}
            if reads:
                row["read"] = round(float(np.mean(reads)), 4)
            bar.set_postfix_str(f"loss {row['loss']} {row['tflops']} TFLOP/s")
            scoring.write(row)
            reads.clear()
            window, flops, window_began = [], 0.0, now
        if saving:
            save_checkpoint(out / "last.pt", model, ema, step, seconds, examples, config, best)
            save_ema(out / "ema.pt", ema, config)
        if now - validated_at > 60 * o.validate_minutes:
            best = scoring.validate(step, seconds, best)
            paused += time.time() - now
            validated_at = window_began = time.time()
            flops, window = 0.0, []
    bar.close()
    torch.save([opt.state_dict() for opt in optimisers], kept)
    if first:
        seconds = time.time() - began - paused
        best = scoring.validate(step, seconds, best)
        save_checkpoint(out / "last.pt", model, ema, step, seconds, examples, config, best)
        save_ema(out / "ema.pt", ema, config)


@dataclasses.dataclass
class Scoring:
    """Held-out loss and scores of generated rows, by the EMA; keeps the best EMA by ROUGE-L."""

    ema: Denoiser
    decoder: Decoder | None
    encoder: FrozenEncoder
    valid: PackedPairs
    references: tuple[list[str], list[str]]
    held: list[Batch]
    schedule: NoiseSchedule
    config: ModelConfig
    o: TrainOptions
    out: Path
    sampling: dict

    def write(self, row: dict) -> None:
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")

    def validate(self, step: int, seconds: float, best: float) -> float:
        """Writes a row of the log; returns the best ROUGE-L so far."""
        sources, targets = self.references
        if self.o.workers > 1:
            torch.set_num_threads(self.o.workers)  # the others wait meanwhile
        row: dict = {"step": step, "seconds": round(seconds, 1), "held_out": held_out_loss(self.ema, self.held, self.schedule)}
        if self.decoder is not None:
            rows = list(range(min(self.o.validate_rows, len(self.valid))))
            device = next(self.ema.parameters()).device
            model = self.ema if device.type == "cpu" else copy.deepcopy(self.ema).cpu()
            texts = generate_rows(model, self.decoder, self.encoder.cpu(), self.valid, rows, self.config, **self.sampling)
            self.encoder.to(device)
            row["scores"] = scores(texts, [targets[i] for i in rows], [sources[i] for i in rows])
            row["samples"] = [[sources[i], texts[i]] for i in rows[:8]]
            if row["scores"]["rougeL"] > best:
                best = row["scores"]["rougeL"]
                save_ema(self.out / "best.pt", self.ema, self.config)
        self.write(row)
        print(json.dumps(row), flush=True)
        if self.o.workers > 1:
            torch.set_num_threads(1)
        return best
