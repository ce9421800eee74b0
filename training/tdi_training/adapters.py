"""Low-rank adapters (LoRA, arXiv 2106.09685): a trained denoiser's matrices stay as they are and a product of two thin ones is learned beside each. What is
learned is a tenth of the model, so a bundle that is trained on need not be stored a second time (adapted.py)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

ADAPTED = ("blocks.", "self_cond_proj.", "output", "copy.")  # what depends on the text; how noise levels are told apart stays


class AdaptedLinear(nn.Linear):
    """x W' + (x down') up' + b, with W and b frozen. `adapter_down` [rank, in] starts at random and `adapter_up` [out, rank] from zero, so that training begins at W."""

    def __init__(self, linear: nn.Linear, rank: int):
        super().__init__(linear.in_features, linear.out_features)
        self.weight, self.bias = linear.weight, linear.bias
        self.adapter_down = nn.Parameter(torch.randn(rank, linear.in_features) * linear.in_features**-0.5)
        self.adapter_up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.adapter_down), self.adapter_up)


def adapt(model: nn.Module, rank: int) -> None:
    """Freezes `model` and puts an adapter of `rank` beside each of its matrices that depend on the text."""
    model.requires_grad_(False)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and name.startswith(ADAPTED):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, AdaptedLinear(module, rank))


def adapters_of(weights: dict[str, torch.Tensor]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """(down, up) by the name of the module that they stand beside, from a state dict."""
    return {name.removesuffix(".adapter_down"): (value, weights[name.removesuffix("down") + "up"]) for name, value in weights.items() if name.endswith(".adapter_down")}


def merged(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict without adapters, each added to its matrix."""
    found = adapters_of(weights)
    out = {name: value for name, value in weights.items() if not name.endswith((".adapter_down", ".adapter_up"))}
    for name, (down, up) in found.items():
        out[f"{name}.weight"] = out[f"{name}.weight"] + up @ down
    return out
