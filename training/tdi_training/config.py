"""Presets: everything that fixes a model's shape and its latent space, under one name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path


@dataclasses.dataclass
class ModelConfig:
    """Shape of a conditional TEncDM. `paper` follows arXiv 2402.19097; `compact` is what the server embeds; `small` is for short ablations."""

    encoder: str = "all-MiniLM-L6-v2"  # path, hub id, or the name of the PyPI-carried MiniLM
    layer: int = 4  # hidden state used as latent; -1 = last, 0 = embedding layer output, -2 = bare word embeddings
    hidden: int = 384
    heads: int = 12
    ffn: int = 1536
    layers: int = 6
    decoder_layers: int = 3
    max_positions: int = 64
    schedule: str = "tan"
    schedule_d: float = 7.0
    # The paper ends in a LayerNorm, whose output lies on an ellipsoid: it cannot shrink toward the posterior mean at
    # high noise, nor reach the zero vector that stands for padding. The compact preset ends in a linear map instead.
    output_projection: bool = True
    # x0 = sqrt(alpha) x_t + sqrt(1 - alpha) F(x_t), a v-prediction in x0's clothes (EDM's preconditioning at unit
    # variance): without it six post-LN blocks must first learn to pass their input through. The paper predicts x0 = F.
    precondition: bool = True
    # Position embeddings on the source states too: without them cross-attention has to find the word order that hidden
    # states only hint at. And an output that copies: F += gate * (attention-weighted mean of the raw source latents), a
    # pointer (arXiv 1704.04368) in latent space. Both are departures from the paper, so its presets leave them out.
    source_positions: bool = True
    copy_head: bool = True
    dropout: float = 0.0
    canvases: tuple[int, ...] = (16, 24, 32)
    source_length: int = 48
    layer_norm_eps: float = 1e-12

    @property
    def max_canvas(self) -> int:
        return max(self.canvases)

    @property
    def attended(self) -> int:
        """Sets of keys and values that a source gives: one per block, and one more for the copying output."""
        return self.layers + int(self.copy_head)

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: dict) -> "ModelConfig":
        data = {"source_positions": False, "copy_head": False, **data}  # checkpoints older than these fields lack them
        data["canvases"] = tuple(data["canvases"])
        return ModelConfig(**data)


_PAPER = dict(
    encoder="bert-base-cased", layer=-1, hidden=768, heads=12, ffn=3072, layers=12, decoder_layers=3, schedule_d=9.0,
    output_projection=False, precondition=False, source_positions=False, copy_head=False, dropout=0.1,
)

PRESETS: dict[str, ModelConfig] = {
    "compact-qqp": ModelConfig(),
    "compact-xsum": ModelConfig(canvases=(32, 48), source_length=256),
    "small-qqp": ModelConfig(layers=3, canvases=(16,), source_length=16),  # for ablations: minutes a cell on one core
    "paper-qqp": ModelConfig(**_PAPER, canvases=(50,), source_length=50),
    "paper-xsum": ModelConfig(**_PAPER, canvases=(64,), source_length=512),
}


def load_config(name_or_path: str) -> ModelConfig:
    """A preset by name, or a JSON file holding the fields of ModelConfig."""
    if name_or_path in PRESETS:
        return PRESETS[name_or_path]
    path = Path(name_or_path)
    if not path.exists():
        raise SystemExit(f"no preset or file named {name_or_path!r}; presets: {', '.join(PRESETS)}")
    return ModelConfig.from_json(json.loads(path.read_text()))
