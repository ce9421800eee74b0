"""The ONNX graphs of a bundle, as modules around the trained parts; shapes are dynamic in rows, canvas and source."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from .decoder import Decoder
from .denoiser import Denoiser
from .encoder import FrozenEncoder

COEFFICIENTS = ("cx", "c0", "c_previous", "c_noise", "c_skip", "c_out")


class EncoderGraph(nn.Module):
    """ids [B, S] int64, mask [B, S] float -> states [B, S, H]: normalised latents, special tokens overwritten."""

    def __init__(self, encoder: FrozenEncoder):
        super().__init__()
        self.encoder = encoder
        special = encoder.is_special.nonzero().flatten()
        table = encoder.word_embeddings[special]
        table = table / table.norm(dim=-1, keepdim=True).clamp_min(1e-12) * encoder.hidden**0.5
        table[special == encoder.pad_id] = 0.0
        self.register_buffer("special_ids", special)
        self.register_buffer("special_table", table)
        self.register_buffer("scale", 1.0 / encoder.std)

    def forward(self, ids, mask):
        h = self.encoder.hidden_states(ids, mask)
        z = (h - self.encoder.mean) * self.scale
        hit = (ids[..., None] == self.special_ids).to(z.dtype)  # [B, S, specials]
        return z * (1.0 - hit.sum(-1, keepdim=True)) + hit @ self.special_table


class ConditionGraph(nn.Module):
    """states [B, S, H] -> keys, values [B, attended, heads, S, H/heads]: of every cross-attention and of the copying output; once a request."""

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, states):
        pairs = self.denoiser.keys_values(states)
        return torch.stack([k for k, _ in pairs], 1), torch.stack([v for _, v in pairs], 1)


class StepGraph(nn.Module):
    """One denoising step, solver update inside; every row has its own t, coefficients and guidance.

    x, previous [B, L, H]; t [B]; keys, values from ConditionGraph; bias [B, S] additive (0 attend, -1e9 not);
    coefficients [B, 6] in the order of COEFFICIENTS; noise [B, L, H]; positive, negative [B] int64: the rows whose
    predictions are guided from and away from (both the row itself without guidance); guidance [B].
    -> x_next [B, L, H] = cx x + c0 x0 + c_previous previous + c_noise noise, and the guided x0 [B, L, H].
    """

    def __init__(self, denoiser: Denoiser):
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x, previous, t, keys, values, bias, coefficients, noise, positive, negative, guidance):
        def column(k: int):
            return coefficients[:, k][:, None, None]

        kv = [(keys[:, i], values[:, i]) for i in range(self.denoiser.config.attended)]
        out = column(4) * x + column(5) * self.denoiser.network(x, t, kv, bias[:, None, None, :], previous)
        towards, away = out.index_select(0, positive), out.index_select(0, negative)
        x0 = towards + guidance[:, None, None] * (towards - away)
        return column(0) * x + column(1) * x0 + column(2) * previous + column(3) * noise, x0


class DecoderGraph(nn.Module):
    """x, states (both normalised) and bias [B, S] -> ids [B, L] int64, probability [B, L] of each."""

    def __init__(self, decoder: Decoder, encoder: FrozenEncoder):
        super().__init__()
        self.decoder = decoder
        self.register_buffer("mean", encoder.mean.clone())
        self.register_buffer("std", encoder.std.clone())

    def forward(self, x, states, bias):
        h, source = x * self.std + self.mean, states * self.std + self.mean
        for block in self.decoder.blocks:
            h = block(h, block.crossattention.keys_values(source), bias[:, None, None, :])
        if self.decoder.tied:
            h = self.decoder.transform_norm(nn.functional.gelu(self.decoder.transform(h)))
        logits = self.decoder.logits(h)
        ids = logits.argmax(-1)
        top = logits.max(-1, keepdim=True).values
        return ids, 1.0 / (logits - top).exp().sum(-1)


def export_graphs(encoder: FrozenEncoder, denoiser: Denoiser, decoder: Decoder, folder: Path) -> dict[str, Path]:
    """Write encoder, condition, denoiser and decoder in fp32. Returns the path of each."""
    c = denoiser.config
    b, n, s, h = 2, 16, 9, c.hidden
    dim = torch.export.Dim
    rows, canvas, source = dim("rows", max=4096), dim("canvas", max=c.max_positions), dim("source", max=512)
    states, x, bias = torch.randn(b, s, h), torch.randn(b, n, h), torch.zeros(b, s)
    kv = torch.randn(b, c.attended, c.heads, s, h // c.heads)
    ids = torch.randint(1000, 2000, (b, s))
    index = torch.arange(b)
    jobs = {
        "encoder": (EncoderGraph(encoder), (ids, torch.ones(b, s)), ["ids", "mask"], ["states"],
                    [{0: rows, 1: source}, {0: rows, 1: source}]),
        "condition": (ConditionGraph(denoiser), (states,), ["states"], ["keys", "values"], [{0: rows, 1: source}]),
        "denoiser": (StepGraph(denoiser), (x, x, torch.rand(b), kv, kv, bias, torch.randn(b, 6), x, index, index, torch.zeros(b)),
                     ["x", "previous", "t", "keys", "values", "bias", "coefficients", "noise", "positive", "negative", "guidance"],
                     ["x_next", "x0"],
                     [{0: rows, 1: canvas}, {0: rows, 1: canvas}, {0: rows}, {0: rows, 3: source}, {0: rows, 3: source},
                      {0: rows, 1: source}, {0: rows}, {0: rows, 1: canvas}, {0: rows}, {0: rows}, {0: rows}]),
        "decoder": (DecoderGraph(decoder, encoder), (x, states, bias), ["x", "states", "bias"], ["ids", "probability"],
                    [{0: rows, 1: canvas}, {0: rows, 1: source}, {0: rows, 1: source}]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    for name, (module, args, inputs, outputs, shapes) in jobs.items():
        args = tuple(a.clone() for a in args)  # torch.export takes one tensor given twice for one input
        program = torch.onnx.export(module.eval(), args, dynamo=True, opset_version=20, input_names=inputs, output_names=outputs,
                                    dynamic_shapes=shapes, optimize=True, verbose=False)
        paths[name] = folder / f"{name}.onnx"
        program.save(str(paths[name]), external_data=False)
    return paths
