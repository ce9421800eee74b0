"""Data-parallel training on one machine's cores: processes of one thread each that share the weights.

A single thread runs a small model's products at the core's full rate, where two threads that wait for each other at every
operator do not (and stall whenever one of them loses its core). So each worker takes its own batch, and they meet only
three times a step: gradients ready, norms ready, weights updated. Every worker updates its own shard of the weights in
place, so the optimiser's work and memory are divided too (ZeRO-1, arXiv 1910.02054).
"""

from __future__ import annotations

import dataclasses

import torch
import torch.multiprocessing as mp
from torch import nn


@dataclasses.dataclass
class Shared:
    """What the workers hold together; all tensors live in shared memory."""

    model: nn.Module
    ema: nn.Module
    gradients: list[list[torch.Tensor]]  # [worker][parameter]
    norms: torch.Tensor  # [workers] squared gradient norm of each shard
    clock: torch.Tensor  # [2] progress of the run in [0, 1], and 1 while it goes on
    barrier: object

    @staticmethod
    def create(model: nn.Module, ema: nn.Module, workers: int) -> "Shared":
        context = mp.get_context("spawn")
        if workers > 1:
            model.share_memory()
            ema.share_memory()
        gradients = [[torch.zeros_like(p) for p in model.parameters() if p.requires_grad] for _ in range(workers)]
        norms, clock = torch.zeros(workers), torch.tensor([0.0, 1.0])
        for tensor in (norms, clock, *(g for row in gradients for g in row)):
            if workers > 1:
                tensor.share_memory_()
        return Shared(model, ema, gradients, norms, clock, context.Barrier(workers) if workers > 1 else None)


def shards(parameters: list[tuple[str, nn.Parameter]], workers: int) -> list[set[str]]:
    """Names of each worker's parameters, balanced by what an update costs: a Muon step of a matrix of the blocks (m x n, m <= n)
    takes about 15 m m n multiply-adds, anything else its size."""
    def cost(name: str, p: nn.Parameter) -> float:
        if p.ndim == 2 and name.startswith("blocks."):
            return 15.0 * min(p.shape) ** 2 * max(p.shape)
        return float(p.numel())

    loads, names = [0.0] * workers, [set() for _ in range(workers)]
    for name, p in sorted(parameters, key=lambda item: -cost(*item)):
        lightest = loads.index(min(loads))
        names[lightest].add(name)
        loads[lightest] += cost(name, p)
    return names


class Worker:
    """One worker's view: its gradients are the model's, its shard is what it updates."""

    def __init__(self, shared: Shared, rank: int, workers: int):
        self.shared, self.rank, self.workers = shared, rank, workers
        named = [(name, p) for name, p in shared.model.named_parameters() if p.requires_grad]
        mine = shards(named, workers)[rank]
        self.names = {name for name, _ in named if name in mine}
        self.indices = [i for i, (name, _) in enumerate(named) if name in mine]
        self.parameters = [p for _, p in named]
        self.averages = [average for average, p in zip(shared.ema.parameters(), shared.model.parameters()) if p.requires_grad]
        for p, g in zip(self.parameters, shared.gradients[rank]):
            p.grad = g

    def wait(self) -> None:
        if self.shared.barrier is not None:
            self.shared.barrier.wait()

    @torch.no_grad()
    def combine(self, clip: float) -> None:
        """After every worker's backward pass: this shard's gradient averaged over the workers, clipped by the norm of all."""
        self.wait()
        mine = self.shared.gradients[self.rank]
        own = [mine[i] for i in self.indices]
        for other in range(self.workers):
            if other != self.rank:
                torch._foreach_add_(own, [self.shared.gradients[other][i] for i in self.indices])
        if self.workers > 1:
            torch._foreach_div_(own, self.workers)
        self.shared.norms[self.rank] = sum(float(n) ** 2 for n in torch._foreach_norm(own))
        self.wait()
        norm = float(self.shared.norms.sum()) ** 0.5
        if norm > clip:
            torch._foreach_mul_(own, clip / norm)

    @torch.no_grad()
    def finish(self, decay: float) -> None:
        """After this shard's update: move its EMA, clear the gradients, and wait until the weights are whole again."""
        torch._foreach_lerp_([self.averages[i] for i in self.indices], [self.parameters[i] for i in self.indices], 1 - decay)
        torch._foreach_zero_(self.shared.gradients[self.rank])
        self.wait()
