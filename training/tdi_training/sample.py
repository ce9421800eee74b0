"""Non-autoregressive sampling: every solver is one linear update per step, x <- cx x + c0 x0 + cp x0_prev + cn noise."""

from __future__ import annotations

import math

import numpy as np
import torch

from .decoder import begin_with_a_word
from .denoiser import Denoiser, mask_bias
from .schedule import NoiseSchedule, time_grid

SOLVERS = ("euler_sde", "euler_ode", "ancestral", "ddim", "renoise", "dpmpp_2m")


def _beta(schedule: NoiseSchedule, t: float) -> float:
    if schedule.name == "tan":
        theta, d2 = math.pi * min(t, 0.95) / 2, schedule.d**2
        tan2 = math.tan(theta) ** 2
        return math.pi * d2 * math.tan(theta) * (1 + tan2) / (1 + d2 * tan2)
    if schedule.name == "sqrt":
        root = math.sqrt(t + 1e-4)
        bottom = 2 * root * (1 - root)  # negative past the pole at root = 1, where the released code clips the rate to 0
        return min(max(1 / bottom, 0.0), 1000.0) if bottom else 1000.0
    return 0.1 + 19.9 * t


def solver_coefficients(solver: str, schedule: NoiseSchedule, grid: torch.Tensor) -> list[tuple[float, ...]]:
    """[(t, cx, c0, cp, cn)] per step of a decreasing grid; the last step adds no noise (the last mean is returned)."""
    ts = grid.double()
    alphas = schedule.alpha(ts).clamp(1e-18, 1 - 1e-12)
    steps: list[tuple[float, ...]] = []
    half_log = [0.5 * math.log(float(a) / (1 - float(a))) for a in alphas]
    for i in range(len(ts) - 1):
        t, s, at, as_ = float(ts[i]), float(ts[i + 1]), float(alphas[i]), float(alphas[i + 1])
        mu_t, mu_s, sig_t, sig_s = at**0.5, as_**0.5, (1 - at) ** 0.5, (1 - as_) ** 0.5
        last = i == len(ts) - 2
        cp = cn = 0.0
        if solver in ("euler_sde", "euler_ode"):
            beta, dt = _beta(schedule, t), s - t
            share = 1.0 if solver == "euler_sde" else 0.5
            cx = 1 + dt * (-0.5 * beta + share * beta / sig_t**2)
            c0 = -dt * share * beta * mu_t / sig_t**2
            cn = (beta * -dt) ** 0.5 if solver == "euler_sde" else 0.0
        elif solver == "ancestral":
            a = at / as_
            c0 = mu_s * (1 - a) / (1 - at)
            cx = a**0.5 * (1 - as_) / (1 - at)
            cn = ((1 - a) * (1 - as_) / (1 - at)) ** 0.5
        elif solver == "ddim":
            cx = sig_s / sig_t
            c0 = mu_s - mu_t * cx
        elif solver == "renoise":
            cx, c0, cn = 0.0, mu_s, sig_s
        elif solver == "dpmpp_2m":
            h = half_log[i + 1] - half_log[i]
            cx = sig_s / sig_t
            scale = -mu_s * math.expm1(-h)
            if i == 0:
                c0 = scale
            else:
                r = (half_log[i] - half_log[i - 1]) / h
                c0, cp = scale * (1 + 1 / (2 * r)), -scale / (2 * r)
        else:
            raise ValueError(f"unknown solver {solver}")
        steps.append((t, cx, c0, cp, 0.0 if last else cn))
    return steps


def led_away(x0: torch.Tensor, source: torch.Tensor, mask: torch.Tensor, novelty: float) -> torch.Tensor:
    """A prediction [B, L, H] with the share `novelty` of the source's latents [B, S, H] taken out of it, place by place (src/model/novelty.ts)."""
    shared = min(x0.shape[1], source.shape[1])
    copy = torch.zeros_like(x0)
    copy[:, :shared] = (source * mask[..., None])[:, :shared]
    return (x0 - novelty * copy) / (1 - novelty)


def merge_repeats(line: list[int], source: list[int], sep: int, pad: int, special: set[int]) -> list[int]:
    """A canvas of token ids without what follows its first SEP, and without stretches of up to three tokens that repeat the
    stretch just before them, unless the source repeats them too; what comes after moves up. Positions that are denoised side
    by side may settle on the same word, as in non-autoregressive translation (arXiv 1802.06901 removes such repeats too)."""
    end = line.index(sep) if sep in line else len(line)
    allowed = {n: {tuple(source[i : i + n]) for i in range(len(source) - 2 * n + 1) if source[i : i + n] == source[i + n : i + 2 * n]}
               for n in (1, 2, 3)}
    out: list[int] = []
    for token in line[:end]:
        out.append(token)
        for n in (1, 2, 3):
            if len(out) >= 2 * n and out[-n:] == out[-2 * n : -n] and tuple(out[-n:]) not in allowed[n] and not special & set(out[-n:]):
                del out[-n:]
                break
    out += line[end : end + 1]
    return out + [pad] * (len(line) - len(out))


class Clamp:
    """The clamping trick of Diffusion-LM (arXiv 2205.14217) in an encoder's space: a prediction of x0 is read by the decoder
    and its tokens are encoded again, so that the sampler goes on from a text and not from a blend of words."""

    def __init__(self, encoder, decoder, source, mask, source_ids):
        self.encoder, self.decoder, self.mask = encoder, decoder, mask
        self.source, self.source_ids = encoder.denormalise(source), source_ids.tolist()
        self.special = set(encoder.tokenizer.all_special_ids)

    def read(self, x0: torch.Tensor) -> list[list[int]]:
        """Token ids of every canvas, repeats merged, padding after the end token."""
        logits = self.decoder(self.encoder.denormalise(x0.float()), self.source, self.mask)
        ids = begin_with_a_word(logits, self.encoder.is_special).argmax(-1).tolist()
        sep, pad = self.encoder.tokenizer.sep_token_id, self.encoder.pad_id
        return [merge_repeats(line, source, sep, pad, self.special) for line, source in zip(ids, self.source_ids)]

    def __call__(self, x0: torch.Tensor) -> torch.Tensor:
        return self.encoder(torch.tensor(self.read(x0)))


@torch.no_grad()
def sample(model: Denoiser, source, mask, canvas: int, coefficients, guidance: float = 0.0, null=None, noise=None,
           generator=None, clamp: Clamp | None = None, clamp_steps: int = 0, novelty: float = 0.0) -> torch.Tensor:
    """Latents [B, canvas, H] from sources [B, S, H]. `null` = (states [1, S0, H], mask [1, S0]) when guidance > 0.
    The `clamp_steps` steps before the last go on from clamped predictions; the last one's is read in any case. All but the last
    go on from predictions led away from the source by `novelty`; self-conditioning sees them as the network made them.

    `noise`: optional list of [B, canvas, H] tensors, the first the initial state, then one per noisy step.
    """
    b, hidden = source.shape[0], source.shape[2]
    draw = iter(noise) if noise is not None else None

    def fresh():
        if draw is not None:
            return next(draw)
        return torch.randn(b, canvas, hidden, generator=generator, device=source.device)

    x, previous = fresh(), torch.zeros(b, canvas, hidden, dtype=source.dtype, device=source.device)
    before = previous
    kv, bias = model.keys_values(source), mask_bias(mask)
    if guidance > 0:
        null_kv = [(k.expand(b, -1, -1, -1), v.expand(b, -1, -1, -1)) for k, v in model.keys_values(null[0])]
        null_bias = mask_bias(null[1])
    for i, (t, cx, c0, cp, cn) in enumerate(coefficients):
        times = torch.full((b,), t, device=source.device)
        x0 = model.step(x, times, kv, bias, previous)
        if guidance > 0:
            x0 = x0 + guidance * (x0 - model.step(x, times, null_kv, null_bias, previous))
        if len(coefficients) - 1 - clamp_steps <= i < len(coefficients) - 1:
            x0 = clamp(x0)
        led = led_away(x0, source, mask, novelty) if novelty and i < len(coefficients) - 1 else x0
        x = cx * x + c0 * led + cp * before + (cn * fresh() if cn else 0.0)
        previous, before = x0, led
    return x


@torch.no_grad()
def null_condition(encoder) -> tuple[torch.Tensor, torch.Tensor]:
    """The empty source that guidance leads away from: its latents [1, S0, H] and mask [1, S0]."""
    ids = torch.tensor([encoder.tokenizer("")["input_ids"]])
    return encoder(ids), torch.ones(ids.shape)


def canvas_for(source_length: int, canvases: tuple[int, ...]) -> int:
    """The smallest canvas with room for a text somewhat longer than its source (lengths with special tokens)."""
    wanted = math.ceil(1.15 * source_length) + 1
    return next((c for c in canvases if c >= wanted), canvases[-1])


def cut(ids: list[int], sep: int, special: set[int]) -> list[int]:
    """Tokens up to the first SEP, special ones left out."""
    end = ids.index(sep) if sep in ids else len(ids)
    return [i for i in ids[:end] if i not in special]


@torch.no_grad()
def generate_rows(model, decoder, encoder, data, rows, config, steps=16, solver="ddim", grid="logsnr", guidance=0.0,
                  seed=0, batch=64, log_snr_range=(-9.0, 4.0), clamp_steps=0, canvas_of=canvas_for, novelty=0.0, side="src") -> list[str]:
    """Generated text for rows of a PackedPairs, `side` of which is the source, batched by canvas. Uses the encoder's tokenizer to spell them."""
    schedule = NoiseSchedule(config.schedule, config.schedule_d)
    coefficients = solver_coefficients(solver, schedule, time_grid(steps, schedule, grid, log_snr_range))
    generator = torch.Generator().manual_seed(seed)
    tok = encoder.tokenizer
    special = set(tok.all_special_ids)
    lengths = data.lengths(side)
    null = null_condition(encoder)
    texts: dict[int, str] = {}
    groups: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda r: lengths[r]):
        length = min(int(lengths[row]), config.source_length)
        groups.setdefault(canvas_of(length, config.canvases), []).append(row)
    for canvas, members in groups.items():
        for start in range(0, len(members), batch):
            part = np.array(members[start : start + batch])
            width = min(int(lengths[part].max()), config.source_length)
            ids = torch.from_numpy(data.batch_tokens(side, part, width, encoder.pad_id))
            source, mask = encoder(ids), (ids != encoder.pad_id).float()
            clamp = Clamp(encoder, decoder, source, mask, ids)
            x = sample(model, source, mask, canvas, coefficients, guidance, null, generator=generator, clamp=clamp,
                       clamp_steps=clamp_steps, novelty=novelty)
            for row, line in zip(part, clamp.read(x)):
                texts[int(row)] = tok.decode(cut(line, tok.sep_token_id, special))
    return [texts[int(r)] for r in rows]
