"""Train the decoder on corrupted latents Cor(z) = z_t and report how well it reads clean and noisy ones."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from .config import ModelConfig
from .data import PackedPairs
from .decoder import Decoder
from .encoder import FrozenEncoder
from .optim import build_optimisers, descend, set_rates
from .schedule import NoiseSchedule

TAN9 = NoiseSchedule("tan", 9.0)


def corruption_alpha(n: int, generator=None) -> torch.Tensor:
    """Signal levels of Cor: t ~ U[0.001, 0.15] on tan-9, that is alpha from .9998 down to .18, whatever d is used."""
    return TAN9.alpha(0.001 + 0.149 * torch.rand(n, generator=generator))


class PairBatches:
    """Draws (target ids, target latents, source latents, source mask) from prepared folders, in proportion to weight."""

    def __init__(self, encoder: FrozenEncoder, sets: list[tuple[PackedPairs, float]], config: ModelConfig, batch: int,
                 source_limit: int = 48, seed: int = 0):
        self.encoder, self.sets, self.batch, self.limit = encoder, sets, batch, source_limit
        self.rng = np.random.default_rng(seed)
        weights = np.array([w for _, w in sets])
        self.weights = weights / weights.sum()
        self.canvas = config.max_positions
        self.cached = [data.load_encodings(in_memory=False) for data, _ in sets]

    def draw(self):
        k = self.rng.choice(len(self.sets), p=self.weights)
        data, cached = self.sets[k][0], self.cached[k]
        swap = cached and self.rng.random() < 0.5  # cached folders are symmetric pairs
        src, trg = ("trg", "src") if swap else ("src", "trg")
        rows = self.rng.integers(0, len(data), self.batch)
        return read_batch(self.encoder, data, rows, src, trg, self.limit, cached, slack=int(self.rng.integers(1, 9)))


def read_batch(encoder: FrozenEncoder, data: PackedPairs, rows, src: str, trg: str, source_limit: int, cached: bool,
               slack: int = 1):
    """ids [B, L], z [B, L, H], source z [B, S, H], mask [B, S]; L is the longest target plus `slack`."""
    length = int(data.lengths(trg)[rows].max()) + slack
    width = min(int(data.lengths(src)[rows].max()), source_limit)
    ids = torch.from_numpy(data.batch_tokens(trg, rows, length, encoder.pad_id))
    src_ids = torch.from_numpy(data.batch_tokens(src, rows, width, encoder.pad_id))
    if cached:
        z = torch.from_numpy(data.batch_encodings(trg, rows, length)).float()
        source = torch.from_numpy(data.batch_encodings(src, rows, width)).float()
    else:
        z, source = encoder(ids), encoder(src_ids)
    return ids, z, source, (src_ids != encoder.pad_id).float()


@torch.no_grad()
def reconstruction_report(encoder: FrozenEncoder, decoder: Decoder, data: PackedPairs, rows: int = 256, alphas=(1.0, 0.67, 0.33)) -> dict:
    """Share of non-special, non-padding tokens read right, and of whole sentences, with and without the source."""
    decoder.eval()
    cached = data.load_encodings()
    generator = torch.Generator().manual_seed(0)
    report: dict = {}
    for alpha in alphas:
        for zeroed in (False, True):
            right = total = exact = count = 0
            for start in range(0, min(rows, len(data)), 128):
                picked = np.arange(start, min(start + 128, rows, len(data)))
                ids, z, source, mask = read_batch(encoder, data, picked, "src", "trg", 256, cached)
                noise = torch.randn(z.shape, generator=generator)
                x = alpha**0.5 * z + (1 - alpha) ** 0.5 * noise
                source = encoder.denormalise(source) if not zeroed else torch.zeros_like(source)
                guess = decoder(encoder.denormalise(x), source, mask).argmax(-1)
                wanted = ~encoder.is_special[ids]
                hit = guess == ids
                right += int((hit & wanted).sum())
                total += int(wanted.sum())
                exact += int((hit | ~wanted).all(-1).sum())
                count += len(picked)
            report[f"alpha={alpha}{' source zeroed' if zeroed else ''}"] = {
                "token_accuracy": round(right / total, 5), "sentences_exact": round(exact / count, 4)}
    return report


@torch.no_grad()
def one_step(denoiser, z, source, mask) -> torch.Tensor:
    """The denoiser's x0 from z noised to log-SNR ~ U[-6, 1] a row, without self-condition: down to where the clamped steps of a
    sampler begin, so that the decoder learns to choose by the source where the prediction is still a blend of words."""
    schedule = NoiseSchedule(denoiser.config.schedule, denoiser.config.schedule_d)
    t = schedule.time_of_log_snr(torch.rand(len(z)) * 7.0 - 6.0)
    alpha = schedule.alpha(t)[:, None, None]
    x = alpha.sqrt() * z + (1 - alpha).sqrt() * torch.randn_like(z)
    return denoiser(x, t, source, mask, torch.zeros_like(x))


def train_decoder(config: ModelConfig, encoder: FrozenEncoder, sets, valid: list[PackedPairs], out: Path, steps: int,
                  batch: int, lr: float, tied: bool = True, zero_source: float = 0.3, positions: float = 0.25,
                  seed: int = 0, minutes: float | None = None, init: Path | None = None, optimiser: str = "muon",
                  muon_lr: float = 0.02, denoiser=None, own_share: float = 0.5, clean_share: float = 0.0,
                  precision: str = "fp32") -> Decoder:
    """The rate decays as a cosine. The vocabulary loss is taken on a random share of `positions`: the vocabulary map is
    most of the cost, and an unbiased third of the positions gives the same gradient in expectation. With a `denoiser`,
    a share of the batches holds its own one-step predictions at log-SNR in [-6, 1] in place of Cor(z): what the
    decoder will really be given. `clean_share` of the others are not corrupted."""
    torch.manual_seed(seed)
    decoder = Decoder(config, encoder.vocabulary, encoder.word_embeddings if tied else None)
    if init:
        decoder.load_state_dict(load_decoder(init, encoder).state_dict())
    elif config.hidden == encoder.hidden and encoder.truncated:
        decoder.init_from_encoder(config.encoder, 3)
    optimisers = build_optimisers(decoder, optimiser, lr, muon_lr)
    base = [[g["lr"] for g in opt.param_groups] for opt in optimisers]
    batches = PairBatches(encoder, sets, config, batch, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    log = (out / "decoder.log.jsonl").open("a")
    begun, done = time.time(), 0.0
    decoder.train()
    bar = tqdm(total=steps, desc="decoder", mininterval=5)
    step = 0
    while done < 1.0:
        done = max(step / steps, (time.time() - begun) / 60 / minutes if minutes else 0.0)
        set_rates(optimisers, base, min(1.0, (step + 1) / 50) * max(0.02, 0.5 * (1 + np.cos(np.pi * min(1.0, done)))))
        ids, z, source, mask = batches.draw()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            if denoiser is not None and torch.rand(()) < own_share and ids.shape[1] <= config.max_canvas:
                x = encoder.denormalise(one_step(denoiser, z, source, mask).float())
            else:
                alpha = (torch.ones(len(ids)) if torch.rand(()) < clean_share else corruption_alpha(len(ids)))[:, None, None]
                x = encoder.denormalise(alpha.sqrt() * z + (1 - alpha).sqrt() * torch.randn_like(z))
            source = encoder.denormalise(source) * (torch.rand(len(ids)) >= zero_source).float()[:, None, None]
            pick = torch.rand(ids.shape) < positions
            logits = decoder.logits(decoder.states(x, source, mask)[pick])
            loss = F.cross_entropy(logits.float(), ids[pick])
        descend(decoder, optimisers, loss)
        step += 1
        bar.update()
        if step % 50 == 0:
            row = {"step": step, "loss": round(float(loss), 4), "seconds": round(time.time() - begun, 1), "examples": step * batch}
            bar.set_postfix_str(f"loss {row['loss']}")
            log.write(json.dumps(row) + "\n")
            log.flush()
    bar.close()
    decoder.eval()
    torch.save({"decoder": decoder.state_dict(), "config": config.to_json(), "tied": tied}, out / "decoder.pt")
    report = {data.folder.name: reconstruction_report(encoder, decoder, data) for data in valid}
    (out / "decoder.report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))
    return decoder


def load_decoder(path: Path, encoder: FrozenEncoder) -> Decoder:
    saved = torch.load(path, weights_only=True)
    config = ModelConfig.from_json(saved["config"])
    decoder = Decoder(config, encoder.vocabulary, encoder.word_embeddings if saved["tied"] else None)
    decoder.load_state_dict(saved["decoder"])
    return decoder.eval()
