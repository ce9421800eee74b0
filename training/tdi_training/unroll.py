"""Training on the sampler's own drafts. A sampler never sees x_t made from a true x0, only from its own predictions, and a model that
was trained on true ones alone trusts what it finds there: where two neighbours settled on one word it keeps both. Unrolling one
step of the sampler and asking for the true x0 teaches it to mend a draft, as step-unrolled denoising autoencoders do for tokens
(SUNDAE, arXiv 2112.06749)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .schedule import NoiseSchedule

HIGHEST = 1.0  # log-SNR above which a draft is not for mending any more: there a mean of draft and truth is a blend of words again


@torch.no_grad()
def unroll(predict: Callable, x0: torch.Tensor, alpha: torch.Tensor, schedule: NoiseSchedule, jump: tuple[float, float] = (0.5, 6.0)):
    """One re-noising step into every row's level. x0 [B, L, H] true latents, alpha [B] the level to train at; `predict`(x, t) is the
    model's x0 without self-condition. The step starts from x0 at a log-SNR lower by U(jump). Returns x [B, L, H] at `alpha`, made from the
    prediction where log-SNR <= HIGHEST and from x0 elsewhere, and the prediction itself, which the sampler gives as self-condition."""
    log_snr = torch.logit(alpha.double(), eps=1e-12)
    fall = jump[0] + (jump[1] - jump[0]) * torch.rand(len(x0), dtype=torch.float64, device=x0.device)
    earlier = schedule.time_of_log_snr((log_snr - fall).clamp_min(-9.5)).to(alpha.dtype)
    level = schedule.alpha(earlier)[:, None, None]
    draft = predict(level.sqrt() * x0 + (1 - level).sqrt() * torch.randn_like(x0), earlier).to(x0.dtype)
    basis = torch.where((log_snr <= HIGHEST)[:, None, None], draft, x0)
    a = alpha[:, None, None]
    return a.sqrt() * basis + (1 - a).sqrt() * torch.randn_like(x0), draft
