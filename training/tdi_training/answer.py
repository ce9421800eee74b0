"""A shipped bundle's weights in PyTorch, one text after the other: what a user without the server would write. JSON lines {id, text}
on standard input are answered by {id, text} on standard output, the first line being {ready}. The benchmark compares the server with it."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import torch

from .config import ModelConfig
from .encoder import FrozenEncoder
from .recover import recover
from .sample import Clamp, canvas_for, cut, null_condition, sample, solver_coefficients
from .schedule import NoiseSchedule, time_grid
from .train import load_denoiser
from .train_decoder import load_decoder


class Answerer:
    """text -> text with the settings of the bundle's card, but for the steps."""

    def __init__(self, bundle: Path, config: ModelConfig, steps: int | None):
        card = json.loads((bundle / "bundle.json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.redirect_stdout(sys.stderr):
                recover(bundle, config, Path(folder))
            self.model = load_denoiser(Path(folder) / "denoiser.pt")
            self.encoder = FrozenEncoder(config.encoder, config.layer).load_statistics(Path(folder) / "stats.npz")
            self.decoder = load_decoder(Path(folder) / "decoder.pt", self.encoder)
        self.config, self.defaults = config, card["defaults"]
        schedule = NoiseSchedule(config.schedule, config.schedule_d)
        grid = self.defaults["grid"]
        times = time_grid(steps or self.defaults["steps"], schedule, grid["name"], (grid["log_snr_min"], grid["log_snr_max"]))
        self.coefficients = solver_coefficients(self.defaults["solver"], schedule, times)
        self.null = null_condition(self.encoder)
        self.special = set(self.encoder.tokenizer.all_special_ids)

    @torch.no_grad()
    def __call__(self, text: str, seed: int) -> str:
        tokenizer = self.encoder.tokenizer
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=self.config.source_length)["input_ids"]])
        source, mask = self.encoder(ids), torch.ones(ids.shape)
        clamp = Clamp(self.encoder, self.decoder, source, mask, ids)
        x = sample(self.model, source, mask, canvas_for(ids.shape[1], self.config.canvases), self.coefficients, self.defaults["guidance"], self.null,
                   generator=torch.Generator().manual_seed(seed), clamp=clamp, clamp_steps=self.defaults["clamp_steps"], novelty=self.defaults.get("novelty", 0.0))
        return tokenizer.decode(cut(clamp.read(x)[0], tokenizer.sep_token_id, self.special))


def answer_lines(answerer: Answerer) -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps({"id": asked["id"], "text": answerer(asked["text"], asked["id"])}), flush=True)
