"""Optimisers that denoiser and decoder share: AdamW, or Muon on the blocks' matrices with AdamW on the rest."""

from __future__ import annotations

import torch
from torch import nn


def build_optimisers(model: nn.Module, name: str, lr: float, muon_lr: float, weight_decay: float = 0.01,
                     names: set[str] | None = None) -> list[torch.optim.Optimizer]:
    """`adamw` on everything, or `muon` on the two-dimensional weights of `blocks.` and AdamW (rate `lr`) on the rest; with
    `names` of those parameters alone.

    At equal steps Muon's held-out loss was well below AdamW's in the first hundred steps (training/RUNS.md)."""
    named = [(n, p) for n, p in model.named_parameters() if names is None or n in names]
    if name == "adamw":
        return [torch.optim.AdamW([p for _, p in named], lr=lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=weight_decay, foreach=True)]
    if name != "muon":
        raise ValueError(f"unknown optimiser {name}")
    matrices = [p for n, p in named if p.ndim == 2 and n.startswith("blocks.")]
    chosen = {id(p) for p in matrices}
    rest = [p for _, p in named if id(p) not in chosen]
    return [torch.optim.Muon(matrices, lr=muon_lr, weight_decay=weight_decay, adjust_lr_fn="original"),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=weight_decay)]


def set_rates(optimisers: list[torch.optim.Optimizer], base: list[list[float]], scale: float) -> None:
    """Every group's rate = its base rate times `scale`."""
    for opt, rates in zip(optimisers, base):
        for group, rate in zip(opt.param_groups, rates):
            group["lr"] = rate * scale
