"""Noise schedules (variance preserving): signal level alpha, x_t = sqrt(alpha) x0 + sqrt(1 - alpha) eps, t in (0, 1]."""

from __future__ import annotations

import dataclasses
import math

import torch


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """`tan` is tan-d of TEncDM; `sqrt` and `cosine` are what its released code calls so (cosine is a linear VP)."""

    name: str = "tan"
    d: float = 9.0

    def alpha(self, t: torch.Tensor) -> torch.Tensor:
        """Squared signal level in [0, 1]."""
        if self.name == "tan":
            return 1.0 / (1.0 + self.d**2 * torch.tan(math.pi * t / 2) ** 2)
        if self.name == "sqrt":
            return (1.0 - torch.sqrt(t + 1e-4)).clamp(0.0, 1.0)
        if self.name == "cosine":
            b0, b1 = 0.1, 20.0
            return torch.exp(2 * (-0.25 * t**2 * (b1 - b0) - 0.5 * t * b0))
        raise ValueError(f"unknown schedule {self.name}")

    def time_of_log_snr(self, log_snr: torch.Tensor) -> torch.Tensor:
        """Inverse of log(alpha / (1 - alpha)): the t at which a log signal-to-noise ratio is reached."""
        alpha = torch.sigmoid(log_snr)
        if self.name == "tan":
            return 2 / math.pi * torch.atan(torch.sqrt((1 - alpha) / alpha) / self.d)
        if self.name == "sqrt":
            return ((1 - alpha) ** 2 - 1e-4).clamp(0.0, 1.0)
        b0, b1 = 0.1, 20.0
        log_mean = 0.5 * torch.log(alpha)
        return (-0.5 * b0 + torch.sqrt(0.25 * b0**2 - (b1 - b0) * log_mean)) / (0.5 * (b1 - b0))


def sample_times(n: int, schedule: NoiseSchedule, mode: str, generator=None, device="cpu") -> torch.Tensor:
    """Training times [n]. `uniform` in t (the paper), `logsnr` ~ N(-3, 2) clipped to [-9, 4], or `mixed`, half each."""
    t = 1e-5 + (1 - 1e-5) * torch.rand(n, generator=generator, device=device)
    if mode == "uniform":
        return t
    log_snr = (-3.0 + 2.0 * torch.randn(n, generator=generator, device=device)).clamp(-9.0, 4.0)
    by_snr = schedule.time_of_log_snr(log_snr)
    if mode == "logsnr":
        return by_snr
    if mode == "mixed":
        return torch.where(torch.arange(n, device=device) % 2 == 0, t, by_snr)
    raise ValueError(f"unknown noise level mode {mode}")


def loss_weight(alpha: torch.Tensor, mode: str) -> torch.Tensor:
    """Weight per row: `none`, or `v`: 1/(1-alpha) clipped to [1, 5], a v-loss on an x0 prediction (ELF)."""
    if mode == "none":
        return torch.ones_like(alpha)
    return (1.0 / (1.0 - alpha)).clamp(1.0, 5.0)


def time_grid(steps: int, schedule: NoiseSchedule, grid: str, log_snr_range=(-9.0, 4.0)) -> torch.Tensor:
    """[steps + 1] decreasing times: `linear` from 1 to 0.01; `logsnr`, evenly spaced in log-SNR over the range; or
    `logit_normal`, as `sample_times` draws them: even quantiles of log-SNR ~ N(-3, 2^2) cut to the range."""
    if grid == "linear":
        return torch.linspace(1.0, 0.01, steps + 1)
    if grid == "logsnr":
        return schedule.time_of_log_snr(torch.linspace(log_snr_range[0], log_snr_range[1], steps + 1))
    if grid == "logit_normal":
        ends = torch.special.ndtr((torch.tensor(log_snr_range, dtype=torch.float64) + 3.0) / 2.0)
        mass = torch.linspace(float(ends[0]), float(ends[1]), steps + 1, dtype=torch.float64)
        return schedule.time_of_log_snr(-3.0 + 2.0 * torch.special.ndtri(mass))
    raise ValueError(f"unknown grid {grid}")
