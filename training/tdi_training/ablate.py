"""The ablation axes of TEncDM (arXiv 2402.19097) as cells of one budget, each made by runs of this package's commands.

encoder            the latent: word embeddings, the embedding layer, hidden states of several layers; a decoder each
decoder            MLP or transformer, each with and without the corruption Cor, on one denoiser
schedule           cosine, sqrt, tan-7, tan-9, tan-11 (as the released code defines them)
self-conditioning  on and off, against the number of steps, with the norm of the last prediction x0
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import torch

from .config import ModelConfig, load_config
from .data import PackedPairs, read_pairs
from .encoder import FrozenEncoder
from .metrics import scores
from .sample import generate_rows
from .train import load_denoiser
from .train_decoder import load_decoder

SCHEDULES = {"cosine": ("cosine", 9.0), "sqrt": ("sqrt", 9.0), "tan-7": ("tan", 7.0), "tan-9": ("tan", 9.0), "tan-11": ("tan", 11.0)}
# No block leaves transform, GELU, LayerNorm and the vocabulary map: an MLP on each position.
DECODERS = {"transformer, Cor": (3, True), "transformer": (3, False), "MLP, Cor": (0, True), "MLP": (0, False)}
STEPS = 16
SCORES = ("rougeL", "bleu", "bleu_source", "ibleu")


@dataclasses.dataclass
class Cell:
    """A place in the latent space, a denoiser and a decoder of it."""

    config: ModelConfig
    stats: Path
    denoiser: Path
    decoder: Path


class Ablation:
    def __init__(self, args):
        self.args, self.out = args, Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        pairs = read_pairs(Path(args.valid_text))
        self.sources, self.targets = [s for s, _ in pairs], [t for _, t in pairs]
        self.valid = PackedPairs(Path(args.valid))
        self.rows: list[dict] = []

    def command(self, made: Path, *arguments: str) -> Path:
        """Runs a command of this package unless what it makes is there already."""
        if not made.exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            log = made.parent / f"{arguments[0]}.log"
            with log.open("w") as sink:
                status = subprocess.run([sys.executable, "-m", "tdi_training", *arguments], stdout=sink, stderr=subprocess.STDOUT).returncode
            if status or not made.exists():
                raise SystemExit(f"{arguments[0]} failed: {log}")
        return made

    def settings(self, config: ModelConfig) -> list[str]:
        path = self.out / "configs" / f"{hashlib.sha256(json.dumps(config.to_json()).encode()).hexdigest()[:12]}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(config.to_json()))
        return ["--preset", str(path)]

    def statistics(self, name: str, config: ModelConfig) -> Path:
        made = self.out / name / "stats.npz"
        return self.command(made, "statistics", *self.settings(config), *self.args.data, "--out", str(made), "--rows", str(self.args.statistics_rows))

    def train_decoder(self, name: str, config: ModelConfig, stats: Path, corrupt: bool = True) -> Path:
        made = self.out / name / "decoder.pt"
        return self.command(made, "train-decoder", *self.settings(config), *self.args.data, "--stats", str(stats), "--valid", self.args.valid, "--out",
                            str(made.parent), "--minutes", str(self.args.decoder_minutes), "--steps", "1000000", "--clean-share", str(float(not corrupt)), "--precision", self.args.precision)

    def train(self, name: str, config: ModelConfig, stats: Path, self_condition: float = 0.5) -> Path:
        made = self.out / name / "ema.pt"
        return self.command(made, "train", *self.settings(config), *self.args.data, "--stats", str(stats), "--valid", self.args.valid, "--valid-text",
                            self.args.valid_text, "--out", str(made.parent), "--minutes", str(self.args.minutes), "--batch", str(self.args.batch),
                            "--self-condition", str(self_condition), "--no-compile", "--threads", str(self.args.threads), "--precision", self.args.precision)

    def base(self) -> Cell:
        config = load_config(self.args.preset)
        stats = self.statistics("base", config)
        return Cell(config, stats, self.train("base/denoiser", config, stats), self.train_decoder("base/decoder", config, stats))

    def score(self, axis: str, name: str, cell: Cell, steps: int = STEPS, self_condition: bool = True, **more) -> None:
        """Generates validation rows with DDIM on the logSNR grid, seed 0, and adds a line to the table."""
        print(f"{axis}: {name}, {steps} steps", flush=True)
        encoder = FrozenEncoder(cell.config.encoder, cell.config.layer).load_statistics(cell.stats)
        model, decoder = load_denoiser(cell.denoiser), load_decoder(cell.decoder, encoder)
        norms = watch(model, self_condition)
        count = min(self.args.rows, len(self.valid))
        texts = generate_rows(model, decoder, encoder, self.valid, list(range(count)), model.config, steps=steps)
        found = scores(texts, self.targets[:count], self.sources[:count])
        self.rows.append({"axis": axis, "cell": name, "steps": steps, **{key: found[key] for key in SCORES},
                          "x0_norm": round(sum(norms[steps - 1 :: steps]) / max(1, len(norms[steps - 1 :: steps])), 3), **more})

    def encoder_axis(self) -> None:
        for layer in (int(n) for n in self.args.layers.split(",")):
            config = dataclasses.replace(load_config(self.args.preset), layer=layer)
            name = f"encoder{layer}"
            if config == load_config(self.args.preset):
                cell = self.base()
            else:
                stats = self.statistics(name, config)
                cell = Cell(config, stats, self.train(f"{name}/denoiser", config, stats), self.train_decoder(f"{name}/decoder", config, stats))
            self.score("encoder", {-2: "word embeddings", 0: "embedding layer"}.get(layer, f"hidden state {layer}"), cell, **tokens_read(cell.decoder))

    def decoder_axis(self) -> None:
        base = self.base()
        for name, (layers, corrupt) in DECODERS.items():
            config = dataclasses.replace(base.config, decoder_layers=layers)
            same = corrupt and config == base.config
            path = base.decoder if same else self.train_decoder(f"decoder-{layers}-{'cor' if corrupt else 'clean'}", config, base.stats, corrupt)
            self.score("decoder", name, dataclasses.replace(base, decoder=path), **tokens_read(path))

    def schedule_axis(self) -> None:
        base = self.base()
        for name, (schedule, d) in SCHEDULES.items():
            config = dataclasses.replace(base.config, schedule=schedule, schedule_d=d)
            denoiser = base.denoiser if config == base.config else self.train(f"schedule-{name}", config, base.stats)
            self.score("schedule", name, dataclasses.replace(base, config=config, denoiser=denoiser))

    def self_conditioning_axis(self) -> None:
        base = self.base()
        without = dataclasses.replace(base, denoiser=self.train("self-conditioning-off", base.config, base.stats, 0.0))
        for name, cell, on in (("on", base, True), ("off", without, False)):
            for steps in (int(n) for n in self.args.self_conditioning_steps.split(",")):
                self.score("self-conditioning", name, cell, steps, on)


def tokens_read(decoder: Path) -> dict:
    """Percent of the first validation folder's tokens that a decoder reads right from clean latents and from latents at alpha = .33."""
    report = next(iter(json.loads((decoder.parent / "decoder.report.json").read_text()).values()))
    return {f"tokens_read_{name}": round(100 * report[alpha]["token_accuracy"], 2) for name, alpha in (("clean", "alpha=1.0"), ("noisy", "alpha=0.33"))}


def watch(model, self_condition: bool) -> list[float]:
    """Collects the mean length |x0| / sqrt(H) of a position at every step; without self-conditioning x0_prev stays zero."""
    norms: list[float] = []
    step = model.step

    def watched(x, t, kv, bias, previous):
        x0 = step(x, t, kv, bias, previous if self_condition else torch.zeros_like(previous))
        norms.append(float(x0.norm(dim=-1).mean()) / x0.shape[-1] ** 0.5)
        return x0

    model.step = watched
    return norms


def markdown(report: dict) -> str:
    columns = ["axis", "cell", "steps", *SCORES, "x0_norm", "tokens_read_clean", "tokens_read_noisy"]
    lines = [f"Preset {report['preset']}; {report['minutes']} min a denoiser and {report['decoder_minutes']} min a decoder on {report['threads']} threads; {report['rows']} "
             f"validation rows, DDIM, logSNR grid, no guidance, seed 0. x0_norm: mean |x0| / sqrt(H) of a position at the last step; tokens read: share of "
             "the tokens of clean latents, and of latents at alpha = .33, that the decoder reads right, in percent.", "",
             f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(row.get(key, "")) for key in columns) + " |" for row in report["cells"]]) + "\n"


def plot(report: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes = list(dict.fromkeys(row["axis"] for row in report["cells"]))
    figure, panels = pyplot.subplots(1, len(axes), figsize=(4.2 * len(axes), 3.6), squeeze=False)
    for panel, axis in zip(panels[0], axes):
        cells = [row for row in report["cells"] if row["axis"] == axis]
        panel.set_title(axis)
        if axis != "self-conditioning":
            panel.barh([row["cell"] for row in cells][::-1], [row["rougeL"] for row in cells][::-1], color="#4477aa")
            panel.set_xlabel("ROUGE-L")
            continue
        twin = panel.twinx()
        for name, colour in (("on", "#4477aa"), ("off", "#cc6677")):
            mine = [row for row in cells if row["cell"] == name]
            panel.plot([row["steps"] for row in mine], [row["rougeL"] for row in mine], color=colour, marker="o", label=f"ROUGE-L, {name}")
            twin.plot([row["steps"] for row in mine], [row["x0_norm"] for row in mine], color=colour, linestyle="--", label=f"|x0|, {name}")
        panel.set_xscale("log")
        panel.set_xlabel("steps")
        panel.set_ylabel("ROUGE-L (solid)")
        twin.set_ylabel("|x0| / sqrt(H) (dashed)")
        panel.legend(fontsize=8, loc="center right")
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def ablate_command(args) -> None:
    torch.set_num_threads(args.threads)
    run = Ablation(args)
    axes = {"encoder": run.encoder_axis, "decoder": run.decoder_axis, "schedule": run.schedule_axis, "self-conditioning": run.self_conditioning_axis}
    wanted = args.axes.split(",")
    unknown = [name for name in wanted if name not in axes]
    if unknown:
        raise SystemExit(f"unknown axis {unknown[0]!r}; axes: {', '.join(axes)}")
    for name in wanted:
        axes[name]()
    report = {"preset": args.preset, "minutes": args.minutes, "decoder_minutes": args.decoder_minutes, "threads": args.threads,
              "rows": min(args.rows, len(run.valid)), "cells": run.rows}
    (run.out / "ablate.json").write_text(json.dumps(report, indent=1) + "\n")
    (run.out / "ablate.md").write_text(markdown(report))
    plot(report, run.out / "ablate.png")
    print(markdown(report))
