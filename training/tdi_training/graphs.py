"""The ONNX graphs of a bundle, as modules around the trained parts; shapes are dynamic in rows, canvas and source."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from .config import ModelConfig
from .decoder import Decoder, begin_with_a_word
from .denoiser import Denoiser
from .encoder import FrozenEncoder

COEFFICIENTS = ("cx", "c0", "c_previous", "c_noise", "c_skip", "c_out")


class NormaliserGraph(nn.Module):
    """hidden [B, S, H] raw encoder states, ids [B, S] -> z [B, S, H] = (hidden - mean) / std, then special tokens
    overwritten: `pad_id` by the zero vector, every other by e/|e|_2*sqrt(H), e its input embedding [TEncDM, released code].

    mean, std [H]; special_ids [K]; embeddings [K, H] of those ids, in that order.
    """

    def __init__(self, mean: torch.Tensor, std: torch.Tensor, special_ids: torch.Tensor, embeddings: torch.Tensor, pad_id: int):
        super().__init__()
        table = embeddings / embeddings.norm(dim=-1, keepdim=True).clamp_min(1e-12) * len(mean) ** 0.5
        table[special_ids == pad_id] = 0.0
        self.register_buffer("special_ids", special_ids)
        self.register_buffer("special_table", table)
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())
        self.register_buffer("scale", 1.0 / std)

    def forward(self, hidden, ids):
        z = (hidden - self.mean) * self.scale
        hit = (ids[..., None] == self.special_ids).to(z.dtype)  # [B, S, K]
        return z * (1.0 - hit.sum(-1, keepdim=True)) + hit @ self.special_table


class EncoderGraph(nn.Module):
    """ids [B, S] int64, mask [B, S] float -> states [B, S, H]: normalised latents, special tokens overwritten."""

    def __init__(self, encoder: FrozenEncoder):
        super().__init__()
        self.encoder = encoder
        special = encoder.is_special.nonzero().flatten()
        self.normaliser = NormaliserGraph(encoder.mean, encoder.std, special, encoder.word_embeddings[special], encoder.pad_id)

    def forward(self, ids, mask):
        return self.normaliser(self.encoder.hidden_states(ids, mask), ids)


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
    """x, states (both normalised) and bias [B, S] -> ids [B, L] int64, probability [B, L] of each. `never_empty` keeps special tokens
    from the first place after [CLS], which the published decoder does not."""

    def __init__(self, decoder: Decoder, encoder: FrozenEncoder | NormaliserGraph, never_empty: bool = False):
        super().__init__()
        self.decoder, self.never_empty = decoder, never_empty
        if never_empty:
            self.register_buffer("special", encoder.is_special.clone())
        self.register_buffer("mean", encoder.mean.clone())
        self.register_buffer("std", encoder.std.clone())

    def forward(self, x, states, bias):
        h, source = x * self.std + self.mean, states * self.std + self.mean
        for block in self.decoder.blocks:
            h = block(h, block.crossattention.keys_values(source), bias[:, None, None, :])
        if self.decoder.tied:
            h = self.decoder.transform_norm(nn.functional.gelu(self.decoder.transform(h)))
        logits = self.decoder.logits(h)
        if self.never_empty:
            logits = begin_with_a_word(logits, self.special)
        ids = logits.argmax(-1)
        top = logits.max(-1, keepdim=True).values
        return ids, 1.0 / (logits - top).exp().sum(-1)


def _write(name: str, job, folder: Path) -> Path:
    module, args, inputs, outputs, shapes = job
    args = tuple(a.clone() for a in args)  # torch.export takes one tensor given twice for one input
    program = torch.onnx.export(module.eval(), args, dynamo=True, opset_version=20, input_names=inputs, output_names=outputs,
                                dynamic_shapes=shapes, optimize=True, verbose=False)
    folder.mkdir(parents=True, exist_ok=True)
    program.save(str(folder / f"{name}.onnx"), external_data=False)
    return folder / f"{name}.onnx"


def _dimensions(c: ModelConfig):
    """What a graph leaves open: rows, places of a canvas, tokens of a source."""
    dim = torch.export.Dim
    return dim("rows", max=4096), dim("canvas", max=c.max_positions), dim("source", max=max(512, c.source_length))


def _examples(c: ModelConfig) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x [B, L, H], states [B, S, H] and bias [B, S] to trace with."""
    b, n, s, h = 2, min(16, c.max_positions), 9, c.hidden
    return torch.randn(b, n, h), torch.randn(b, s, h), torch.zeros(b, s)


def export_decoder(encoder: FrozenEncoder | NormaliserGraph, decoder: Decoder, c: ModelConfig, folder: Path, never_empty: bool = False) -> Path:
    """Writes the decoder in fp32. Returns its path."""
    rows, canvas, source = _dimensions(c)
    job = (DecoderGraph(decoder, encoder, never_empty), _examples(c), ["x", "states", "bias"], ["ids", "probability"],
           [{0: rows, 1: canvas}, {0: rows, 1: source}, {0: rows, 1: source}])
    return _write("decoder", job, folder)


def export_graphs(encoder: FrozenEncoder | NormaliserGraph, denoiser: Denoiser, decoder: Decoder, folder: Path,
                  never_empty: bool = False) -> dict[str, Path]:
    """Write encoder, condition, denoiser and decoder in fp32. Returns the path of each. Where only the normaliser of an
    encoder is at hand it is written in the encoder's place, as `normaliser`: enough to check a model, not to serve it."""
    c = denoiser.config
    rows, canvas, source = _dimensions(c)
    x, states, bias = _examples(c)
    b, s = bias.shape
    kv = torch.randn(b, c.attended, c.heads, s, c.hidden // c.heads)
    ids = torch.randint(0, 100, (b, s))
    index = torch.arange(b)
    by_row = [{0: rows, 1: source}, {0: rows, 1: source}]
    jobs = {
        **({"normaliser": (encoder, (states, ids), ["hidden", "ids"], ["states"], by_row)} if isinstance(encoder, NormaliserGraph)
           else {"encoder": (EncoderGraph(encoder), (ids, torch.ones(b, s)), ["ids", "mask"], ["states"], by_row)}),
        "condition": (ConditionGraph(denoiser), (states,), ["states"], ["keys", "values"], [{0: rows, 1: source}]),
        "denoiser": (StepGraph(denoiser), (x, x, torch.rand(b), kv, kv, bias, torch.randn(b, 6), x, index, index, torch.zeros(b)),
                     ["x", "previous", "t", "keys", "values", "bias", "coefficients", "noise", "positive", "negative", "guidance"],
                     ["x_next", "x0"],
                     [{0: rows, 1: canvas}, {0: rows, 1: canvas}, {0: rows}, {0: rows, 3: source}, {0: rows, 3: source},
                      {0: rows, 1: source}, {0: rows}, {0: rows, 1: canvas}, {0: rows}, {0: rows}, {0: rows}]),
    }
    paths = {name: _write(name, job, folder) for name, job in jobs.items()}
    return {**paths, "decoder": export_decoder(encoder, decoder, c, folder, never_empty)}
