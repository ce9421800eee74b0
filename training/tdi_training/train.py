"""Train the denoiser: mean squared error of x0 with self-conditioning, EMA, resumable, scored by generating."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .batches import Batch, BatchOptions, BatchStream, ResidentPairs
from .config import ModelConfig
from .data import PackedPairs
from .denoiser import Denoiser, step_flops
from .encoder import FrozenEncoder
from .metrics import scores
from .optim import build_optimisers, set_rates
from .sample import generate_rows
from .schedule import NoiseSchedule, loss_weight, sample_times


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
    times: str = "mixed"
    weight: str = "none"
    autoencode: float = 0.33  # share of the run over which autoencoding batches (target = source, half hidden) fade out
    autoencode_floor: float = 0.0  # share of batches that stay autoencoding to the end
    init: str = "encoder"  # encoder | random | a denoiser checkpoint to start from
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
    model.eval()
    generator = torch.Generator(drawn[0].target.device).manual_seed(1234)
    out: dict[str, float] = {}
    for log_snr in (-8.0, -4.0, -2.0, 0.0, 2.0):
        t = schedule.time_of_log_snr(torch.tensor([log_snr])).to(drawn[0].target.device)
        a = schedule.alpha(t)
        total = 0.0
        for b in drawn:
            noise = torch.randn(b.target.shape, generator=generator, device=b.target.device)
            x = a.sqrt() * b.target + (1 - a).sqrt() * noise
            with torch.autocast(x.device.type, torch.bfloat16):
                guess = model(x, t.expand(len(x)), b.source, b.mask, torch.zeros_like(x))
            total += float((guess.float() - b.target).pow(2).mean())
        out[f"logsnr{log_snr:g}"] = round(total / len(drawn), 4)
    return out


def save_checkpoint(path: Path, model, ema, optimisers, step, seconds, examples, config, best) -> None:
    partial = path.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "ema": ema.state_dict(), "optimisers": [o.state_dict() for o in optimisers],
                "step": step, "seconds": seconds, "examples": examples, "config": config.to_json(), "best": best}, partial)
    partial.replace(path)


def save_ema(path: Path, ema: Denoiser, config: ModelConfig) -> None:
    """The EMA alone in fp16: what is worth keeping of a run."""
    torch.save({"ema": {k: v.half() for k, v in ema.state_dict().items()}, "config": config.to_json()}, path)


def load_denoiser(path: Path) -> Denoiser:
    """The EMA denoiser of a checkpoint or of an exported EMA file, in fp32 and eval mode."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    model = Denoiser(ModelConfig.from_json(saved["config"]))
    model.load_state_dict({k: v.float() for k, v in saved["ema"].items()})
    return model.eval()


def train(config: ModelConfig, encoder: FrozenEncoder, sets: list[tuple[PackedPairs, float]], valid: PackedPairs, decoder,
          references: tuple[list[str], list[str]], out: Path, o: TrainOptions, b: BatchOptions, device: str = "cpu",
          sampling: dict | None = None) -> Denoiser:
    """Runs for `o.minutes` of training time in all, over as many processes as it takes. `references` are the
    validation sources and targets as text, for scores of generated rows."""
    torch.manual_seed(o.seed)
    dev = torch.device(device)
    encoder.to(dev)
    resident = [(ResidentPairs(data, dev, encoder), w) for data, w in sets]
    null_ids = encoder.tokenizer("")["input_ids"]
    stream = BatchStream(resident, config.canvases, config.source_length, b, null_ids, o.seed)
    held = held_out_batches(ResidentPairs(valid, dev, encoder), config, null_ids, b.batch)
    schedule = NoiseSchedule(config.schedule, config.schedule_d)
    model = Denoiser(config).to(dev)
    if o.init == "encoder":
        model.init_from_encoder(config.encoder)
    elif o.init != "random":
        model.load_state_dict(load_denoiser(Path(o.init)).state_dict())
    ema = copy.deepcopy(model).eval()
    optimisers = build_optimisers(model, o.optimiser, o.lr, o.muon_lr, o.weight_decay)
    base = [[g["lr"] for g in opt.param_groups] for opt in optimisers]
    out.mkdir(parents=True, exist_ok=True)
    step, examples, elapsed, best = 0, 0, 0.0, -1.0
    last = out / "last.pt"
    if last.exists():
        saved = torch.load(last, weights_only=True, map_location=dev)
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        for opt, state in zip(optimisers, saved["optimisers"]):
            opt.load_state_dict(state)
        step, examples, elapsed, best = saved["step"], saved["examples"], saved["seconds"], saved["best"]
        stream.rng = np.random.default_rng((o.seed, step))
        torch.manual_seed(o.seed + step)
        print(f"resumed at step {step}, {elapsed / 60:.1f} min")
    else:
        (out / "run.json").write_text(json.dumps(
            {"config": config.to_json(), "train": dataclasses.asdict(o), "batches": dataclasses.asdict(b), "device": device,
             "sets": [[d.folder.name, w] for d, w in sets], "parameters": sum(p.numel() for p in model.parameters())}, indent=1))
    compiled = torch.compile(model, dynamic=False) if o.compile else model
    hot = {tuple(int(n) for n in shape.split("x")) for shape in o.hot_shapes.split(",")}
    log = (out / "log.jsonl").open("a")

    def write(row: dict) -> None:
        log.write(json.dumps(row) + "\n")
        log.flush()

    parameters = list(model.parameters())
    ema_parameters = list(ema.parameters())
    model.train()
    bar = tqdm(desc=out.name, mininterval=10, unit="ex", initial=examples)
    began = time.time() - elapsed
    saved_at = validated_at = time.time()
    window: list[float] = []
    flops, window_began = 0.0, time.time()
    rng = np.random.default_rng((o.seed, step, 7))
    loss_value = torch.zeros((), device=dev)
    paused = 0.0
    while True:
        seconds = time.time() - began - paused
        progress = seconds / (60 * o.minutes)
        if progress >= 1.0:
            break
        scale = min(1.0, (step + 1) / o.warmup) * max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))
        set_rates(optimisers, base, scale)
        batch = stream.draw(autoencode=rng.random() < autoencode_share(progress, o))
        x0 = batch.target
        t = sample_times(len(x0), schedule, o.times, device=dev)
        alpha = schedule.alpha(t)
        a = alpha[:, None, None]
        x = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn_like(x0)
        previous = torch.zeros_like(x0)
        conditioned = rng.random() < o.self_condition
        forward = compiled if (x0.shape[1], batch.source.shape[1]) in hot else model
        with torch.autocast(dev.type, torch.bfloat16):
            if conditioned:
                with torch.no_grad():
                    previous = model(x, t, batch.source, batch.mask, previous).float()
            guess = forward(x, t, batch.source, batch.mask, previous)
        error = (guess.float() - x0).pow(2).mean(dim=(1, 2))
        loss = (error * loss_weight(alpha, o.weight)).mean()
        for opt in optimisers:
            opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, o.clip)
        for opt in optimisers:
            opt.step()
        step += 1
        examples += len(x0)
        decay = min(o.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(ema_parameters, parameters, 1 - decay)
        flops += step_flops(config, len(x0), x0.shape[1], batch.source.shape[1]) * (4 if conditioned else 3)
        loss_value = loss.detach()
        bar.update(len(x0))
        if step % 20 == 0:
            window.append(float(loss_value))
        if step % 100 == 0:
            spent = time.time() - window_began
            row = {"step": step, "examples": examples, "seconds": round(seconds, 1), "loss": round(float(np.mean(window)), 4),
                   "tflops": round(flops / spent / 1e12, 3), "lr": round(scale, 4)}
            bar.set_postfix_str(f"loss {row['loss']} {row['tflops']} TFLOP/s")
            write(row)
            window, flops, window_began = [], 0.0, time.time()
        now = time.time()
        if now - saved_at > 60 * o.checkpoint_minutes:
            save_checkpoint(last, model, ema, optimisers, step, seconds, examples, config, best)
            saved_at = now
        if now - validated_at > 60 * o.validate_minutes:
            best = validate(ema, decoder, encoder, valid, references, held, schedule, config, o, out, write, step, seconds, best,
                            sampling)
            validated_at = window_began = time.time()
            paused += time.time() - now
            flops, window = 0.0, []
    bar.close()
    seconds = time.time() - began - paused
    best = validate(ema, decoder, encoder, valid, references, held, schedule, config, o, out, write, step, seconds, best, sampling)
    save_checkpoint(last, model, ema, optimisers, step, seconds, examples, config, best)
    save_ema(out / "ema.pt", ema, config)
    return ema


def validate(ema, decoder, encoder, valid, references, held, schedule, config, o, out, write, step, seconds, best, sampling) -> float:
    """Held-out loss and scores of generated rows, by the EMA; keeps the best EMA by ROUGE-L. Returns the best so far."""
    sources, targets = references
    rows = list(range(min(o.validate_rows, len(valid))))
    row: dict = {"step": step, "seconds": round(seconds, 1), "held_out": held_out_loss(ema, held, schedule)}
    ema.eval()
    if decoder is not None:
        device = next(ema.parameters()).device
        texts = generate_rows(ema.cpu() if device.type != "cpu" else ema, decoder, encoder.cpu(), valid, rows, config,
                              **(sampling or {}))
        ema.to(device)
        encoder.to(device)
        row["scores"] = scores(texts, [targets[i] for i in rows], [sources[i] for i in rows])
        row["samples"] = [[sources[i], texts[i]] for i in rows[:4]]
        if row["scores"]["rougeL"] > best:
            best = row["scores"]["rougeL"]
            save_ema(out / "best.pt", ema, config)
    write(row)
    print(json.dumps(row), flush=True)
    return best
