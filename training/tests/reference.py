"""A second TEncDM, written apart from the package: plain functions on a published state dict, names as published.

It makes small folders of the published layout with recorded vectors, for the tests of the importer and for
`tests/fixtures/conformance` (`python tests/make_fixture.py`, from training/). Formulas: arXiv 2402.19097 and its released
code, as docs/conformance.md lists them. float64 throughout, recorded as float32.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 64, "vocab_size": 40,
         "max_position_embeddings": 16, "decoder_layers": 2, "layer_norm_eps": 1e-12, "use_self_cond": True, "target_length": 6,
         "source_length": 5, "steps": 4, "cfg_coef": 0.5, "tan_d": 9, "pad_token_id": 0}
SPECIAL = (0, 1, 2, 3)


def block_shapes(prefix: str, h: int, ffn: int) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for attention in ("attention", "crossattention"):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= {f"{prefix}.{attention}.{part}.weight": (h, h), f"{prefix}.{attention}.{part}.bias": (h,)}
        shapes |= {f"{prefix}.{attention}.output.LayerNorm.{kind}": (h,) for kind in ("weight", "bias")}
    shapes |= {f"{prefix}.intermediate.dense.weight": (ffn, h), f"{prefix}.intermediate.dense.bias": (ffn,),
               f"{prefix}.output.dense.weight": (h, ffn), f"{prefix}.output.dense.bias": (h,)}
    return shapes | {f"{prefix}.output.LayerNorm.{kind}": (h,) for kind in ("weight", "bias")}


def denoiser_shapes(c: dict) -> dict[str, tuple[int, ...]]:
    h, n = c["hidden_size"], c["num_hidden_layers"]
    shapes = {"time_emb.0.weight": (2 * h, h), "time_emb.0.bias": (2 * h,), "time_emb.2.weight": (h, 2 * h), "time_emb.2.bias": (h,)}
    for part in ("input", "output"):
        for i in range(n // 2):
            shapes |= block_shapes(f"encoder.{part}_blocks.{i}", h, c["intermediate_size"])
    for part in ("time_layers", "self_cond_layers"):
        for i in range(n):
            shapes |= {f"encoder.{part}.{i}.weight": (h, h), f"encoder.{part}.{i}.bias": (h,)}
    return shapes | {"position_embeddings.weight": (c["max_position_embeddings"], h)}


def draw(shapes: dict[str, tuple[int, ...]], generator: torch.Generator) -> dict[str, torch.Tensor]:
    def one(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        base = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        return base + torch.randn(shape, generator=generator) * (1.5 * shape[-1] ** -0.5 if len(shape) == 2 else 0.1)

    return {name: one(name, shape) for name, shape in shapes.items()}


class Reference:
    """The published networks as functions. Shapes: x [B, L, H], source [B, S, H], mask [B, S] with 1 = attend."""

    def __init__(self, c: dict, denoiser: dict, decoder: dict):
        self.c = c
        self.denoiser_weights = {k: v.double() for k, v in denoiser.items()}
        self.decoder_weights = {k: v.double() for k, v in decoder.items()}

    def linear(self, w, name, x):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(self, w, name, x):
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], self.c["layer_norm_eps"])

    def attention(self, w, name, x, states, mask):
        heads = self.c["num_attention_heads"]

        def split(y):
            return y.unflatten(-1, (heads, -1)).transpose(1, 2)

        q = split(self.linear(w, f"{name}.self.query", x))
        k, v = (split(self.linear(w, f"{name}.self.{part}", states)) for part in ("key", "value"))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(mask[:, None, None, :] == 0, -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self.norm(w, f"{name}.output.LayerNorm", x + self.linear(w, f"{name}.output.dense", mixed))

    def block(self, w, name, x, source, mask):
        x = self.attention(w, f"{name}.attention", x, x, None)
        x = self.attention(w, f"{name}.crossattention", x, source, mask)
        wide = F.gelu(self.linear(w, f"{name}.intermediate.dense", x))
        return self.norm(w, f"{name}.output.LayerNorm", x + self.linear(w, f"{name}.output.dense", wide))

    def denoise(self, x, t, source, mask, previous):
        w, h = self.denoiser_weights, self.c["hidden_size"]
        freqs = 1e4 ** (-torch.arange(h // 2, dtype=torch.float64) / (h // 2))
        angles = t.double()[:, None] * freqs
        tau = torch.cat([angles.cos(), angles.sin()], -1)
        tau = self.linear(w, "time_emb.2", F.silu(self.linear(w, "time_emb.0", tau)))[:, None]
        half = self.c["num_hidden_layers"] // 2
        x = x + w["position_embeddings.weight"][: x.shape[1]]
        held = []
        for i in range(2 * half):
            if i < half:
                held.append(x)
            else:
                x = x + held.pop()
            x = x + self.linear(w, f"encoder.time_layers.{i}", tau) + self.linear(w, f"encoder.self_cond_layers.{i}", previous)
            name = f"encoder.input_blocks.{i}" if i < half else f"encoder.output_blocks.{i - half}"
            x = self.block(w, name, x, source, mask)
        return x

    def decode(self, latents, source, mask):
        x = latents
        for i in range(self.c["decoder_layers"]):
            x = self.block(self.decoder_weights, f"blocks.{i}", x, source, mask)
        return self.linear(self.decoder_weights, "fc", x)


def alpha_beta(name: str, t: torch.Tensor, d: float) -> tuple[torch.Tensor, torch.Tensor]:
    if name == "tan":
        theta = math.pi * t.clamp(max=0.95) / 2
        tan = theta.tan()
        return 1 / (1 + (d * (math.pi * t / 2).tan()) ** 2), math.pi * d * d * tan * (1 + tan**2) / (1 + (d * tan) ** 2)
    if name == "sqrt":
        root = (t + 1e-4).sqrt()
        return (1 - root).clamp(0, 1), (1 / (2 * root * (1 - root))).clamp(0, 1000)
    return torch.exp(-0.5 * t**2 * 19.9 - t * 0.1), 0.1 + 19.9 * t


def trajectory(predict, solver: str, grid, init, noises, d: float):
    """States, predictions and the last mean of a published sampler; `predict(x, t, previous)`."""
    x, previous, states, predictions = init, torch.zeros_like(init), [], []
    mean = init
    for i, (t, s) in enumerate(zip(grid[:-1], grid[1:])):
        (a, beta), (a_next, _) = (alpha_beta("tan", u, d) for u in (t, s))
        x0 = predict(x, t.expand(len(x)), previous)
        if solver.startswith("euler"):
            share = 1.0 if solver == "euler_sde" else 0.5
            mean = x + (s - t) * (-0.5 * beta * x + share * beta * (x - a.sqrt() * x0) / (1 - a))
            spread = (beta * (t - s)).sqrt() if solver == "euler_sde" else 0.0
        elif solver == "ddpm":
            ratio = a / a_next
            mean = a_next.sqrt() * (1 - ratio) / (1 - a) * x0 + ratio.sqrt() * (1 - a_next) / (1 - a) * x
            spread = ((1 - ratio) * (1 - a_next) / (1 - a)).sqrt()
        else:
            mean, spread = a_next.sqrt() * x0 + (1 - a_next).sqrt() * (x - a.sqrt() * x0) / (1 - a).sqrt(), 0.0
        x, previous = mean + spread * noises[i], x0
        states.append(x)
        predictions.append(x0)
    return {"x": torch.stack(states), "x0": torch.stack(predictions), "final": mean}


def record(reference: Reference, mean, std, embeddings, generator, rows: int = 2) -> dict[str, torch.Tensor]:
    c = reference.c
    h, length, width, w = c["hidden_size"], c["target_length"], c["source_length"], c["cfg_coef"]

    def normal(*shape):
        return torch.randn(shape, generator=generator).double()

    mask = torch.ones(rows, width, dtype=torch.int64)
    mask[1:, width - 2 :] = 0
    cond, null = normal(rows, width, h), normal(1, 2, h).expand(rows, -1, -1).contiguous()
    null_mask = torch.ones(rows, 2, dtype=torch.int64)
    x, previous, t = normal(rows, length, h), normal(rows, length, h), torch.linspace(0.9, 0.02, rows)
    x0 = reference.denoise(x, t, cond, mask, previous)
    x0_null = reference.denoise(x, t, null, null_mask, previous)
    out = {"x_t": x, "t": t, "self_cond": previous, "cond": cond, "cond_mask": mask, "null_cond": null, "null_mask": null_mask,
           "x0": x0, "x0_zero_self_cond": reference.denoise(x, t, cond, mask, torch.zeros_like(x)), "x0_null": x0_null,
           "x0_guided": x0 + w * (x0 - x0_null), "stats.mean": mean, "stats.std": std}
    out["schedule.t"] = torch.linspace(0.001, 1, 21)
    for key, name in ((f"tan{c['tan_d']}", "tan"), ("sqrt", "sqrt"), ("cosine", "cosine")):
        alpha, beta = alpha_beta(name, out["schedule.t"].double(), c["tan_d"])
        out |= {f"schedule.{key}.mu": alpha.sqrt(), f"schedule.{key}.std": (1 - alpha).sqrt(), f"schedule.{key}.beta": beta}
    out["grid"], out["init"], out["noises"] = torch.linspace(1, 0.01, c["steps"] + 1), normal(rows, length, h), normal(c["steps"], rows, length, h)

    def predictor(weight: float):
        def predict(state, time, before):
            guess = reference.denoise(state, time, cond, mask, before)
            return guess + weight * (guess - reference.denoise(state, time, null, null_mask, before)) if weight else guess

        return predict

    for key, solver, weight in (("euler_sde", "euler_sde", 0), ("euler_ode", "euler_ode", 0), ("ddpm", "ddpm", 0), ("ddim", "ddim", 0),
                                ("euler_sde.guided", "euler_sde", w), ("ddim.guided", "ddim", w)):
        found = trajectory(predictor(weight), solver, out["grid"].double(), out["init"], out["noises"], c["tan_d"])
        out |= {f"sampler.{key}.{kind}": value for kind, value in found.items()}
    logits = reference.decode(out["x_t"], cond, mask)
    out |= {"decoder.latents": x, "decoder.cond": cond, "decoder.logits": logits, "decoder.token_ids": logits.argmax(-1)}
    ids = torch.tensor([[SPECIAL[1], 7, 8, 9, SPECIAL[2], 0, 0]])
    hidden = normal(1, ids.shape[1], h)
    z = (hidden - mean) / std
    for i, token in enumerate(ids[0].tolist()):
        if token in SPECIAL:
            unit = embeddings[token].double()
            z[0, i] = 0 if token == c["pad_token_id"] else unit / unit.norm() * h**0.5
    out |= {"normalise.ids": ids, "normalise.special_ids": torch.tensor(SPECIAL), "normalise.hidden": hidden,
            "normalise.embeddings": embeddings, "normalise.z": z}
    return {k: (v if v.dtype == torch.int64 else v.float()).contiguous() for k, v in out.items()}


def write_folder(folder: Path, seed: int = 0, **changes) -> dict:
    """A folder of the published layout with random weights and recorded vectors. Returns its settings."""
    c = {**SIZES, **changes}
    h = c["hidden_size"]
    generator = torch.Generator().manual_seed(seed)
    ema = draw(denoiser_shapes(c), generator)
    raw = {"position_ids": torch.arange(c["max_position_embeddings"])[None],
           **{name: value + 0.02 * torch.randn(value.shape, generator=generator) for name, value in ema.items()}}
    shapes = {}
    for i in range(c["decoder_layers"]):
        shapes |= block_shapes(f"blocks.{i}", h, c["intermediate_size"])
    decoder = draw(shapes | {"fc.weight": (c["vocab_size"], h), "fc.bias": (c["vocab_size"],)}, generator)
    mean, std = 0.3 * torch.randn(h, generator=generator), 0.5 + torch.rand(h, generator=generator)
    embeddings = torch.randn(c["vocab_size"], h, generator=generator)
    (folder / "statistics").mkdir(parents=True, exist_ok=True)
    state = {"decay": 0.9999, "num_updates": 7, "shadow_params": list(ema.values())}
    common = {"optimizer": {}, "scheduler": {}, "scaler": {}, "step": 7}
    torch.save({"model": raw, "ema": state, **common, "decoder": decoder}, folder / "conditional.pth")
    kept = {name: value for name, value in raw.items() if ".crossattention." not in name}
    without = {**state, "shadow_params": [value for name, value in ema.items() if ".crossattention." not in name]}
    torch.save({"model": kept, "ema": without, **common}, folder / "no-crossattention.pth")
    torch.save({"decoder": decoder}, folder / "decoder-bert-128-transformer-conditional.pth")
    torch.save(mean, folder / "statistics" / "encodings-bert-mean.pt")
    torch.save(std, folder / "statistics" / "encodings-bert-std.pt")
    save_file({f"ema.{name}": value for name, value in ema.items()}, folder / "ema-named.safetensors")
    (folder / "config.json").write_text(json.dumps(c, indent=1))
    save_file(record(Reference(c, ema, decoder), mean.double(), std.double(), embeddings, generator), folder / "vectors.safetensors")
    return c
