"""Training batches by gathering from packed arrays that stay resident on the training device: no data loader."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from .data import PackedPairs
from .encoder import FrozenEncoder


@dataclasses.dataclass
class Batch:
    target: torch.Tensor  # [B, L, H] normalised latents
    source: torch.Tensor  # [B, S, H] normalised latents
    mask: torch.Tensor  # [B, S] 1 = attend
    target_ids: torch.Tensor  # [B, L]
    source_ids: torch.Tensor  # [B, S]; those of a row whose source is dropped stay


@dataclasses.dataclass
class BatchOptions:
    batch: int = 128  # rows at the shortest canvas; longer ones get fewer, so that every batch costs about the same
    swap: bool = True  # either side may be the target (symmetric pairs)
    slack: int = 4  # random extra room asked for, so that the canvas does not tell the length
    source_dropout: float = 0.1  # rows trained on the null condition, for guidance
    autoencode_hidden: float = 0.3  # share of source positions hidden where the source is the target itself
    token_dropout: float = 0.1  # source positions hidden from cross-attention, against copying
    crops: tuple[int, ...] = ()  # source lengths to draw from, one a batch: long sources cost less, and lengths vary
    widths: tuple[int, ...] = (16, 24, 32, 48)  # source widths: few shapes for a compiled graph


class ResidentPairs:
    """One prepared folder on a device: ids always, latents (fp16) when they were precomputed."""

    def __init__(self, data: PackedPairs, device: torch.device, encoder: FrozenEncoder):
        self.data, self.device, self.encoder = data, device, encoder
        held: dict[int, torch.Tensor] = {}  # both sides may point into one table

        def resident(array: np.ndarray, kind=None) -> torch.Tensor:
            if id(array) not in held:
                held[id(array)] = torch.from_numpy(np.asarray(array) if kind is None else np.asarray(array).astype(kind)).to(device)
            return held[id(array)]

        self.ids = {s: resident(v, np.int32) for s, v in data.ids.items()}
        self.starts = {s: torch.from_numpy(v).to(device) for s, v in data.starts.items()}
        self.counts = {s: torch.from_numpy(v).to(device) for s, v in data.counts.items()}
        self.lengths = data.counts
        self.latents = {s: resident(z) for s, z in data.encodings.items()}

    @staticmethod
    def open(folder: Path, device: torch.device, encoder: FrozenEncoder) -> "ResidentPairs":
        """A prepared folder, its encodings memory-mapped."""
        data = PackedPairs(folder)
        data.load_encodings(in_memory=False)
        return ResidentPairs(data, device, encoder)

    def _index(self, side: str, rows: torch.Tensor, length: int):
        start = self.starts[side][rows][:, None]
        count = self.counts[side][rows][:, None].clamp_max(length)
        k = torch.arange(length, device=self.device)[None]
        valid = k < count
        return torch.where(valid, start + k, 0), valid

    def gather(self, side: str, rows: torch.Tensor, length: int):
        """ids [B, length] and normalised latents [B, length, H] of some rows; longer texts are cut at the end."""
        index, valid = self._index(side, rows, length)
        ids = torch.where(valid, self.ids[side][index].long(), self.encoder.pad_id)
        if side in self.latents:
            return ids, self.latents[side][index].float() * valid[..., None]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return ids, self.encoder(ids)


class BatchStream:
    """Endless batches. Rows are drawn by canvas, then grouped by source length, so that little is padding. With `shard` =
    (rank, workers), workers of one seed draw the same groups and each takes its share of every one: batches of one step then
    have one canvas and nearly one source width, and no worker waits for a dearer batch of another."""

    def __init__(self, sets: list[tuple[ResidentPairs, float]], canvases: tuple[int, ...], source_length: int,
                 options: BatchOptions, null_ids: list[int], seed: int | tuple[int, ...], shard: tuple[int, int] = (0, 1)):
        self.rank, self.workers = shard
        self.sets, self.canvases, self.options = sets, canvases, options
        self.widths = tuple(w for w in options.widths if w < source_length) + (source_length,)
        self.rng = np.random.default_rng(seed)
        weights = np.array([w for _, w in sets], dtype=float)
        self.weights = weights / weights.sum()
        self.pending: list[tuple[int, str, int, np.ndarray]] = []
        encoder = sets[0][0].encoder
        self.null = encoder(torch.tensor([null_ids], device=sets[0][0].device))[0]  # [n, H]

    def _refill(self) -> None:
        o = self.options
        k = int(self.rng.choice(len(self.sets), p=self.weights))
        pairs = self.sets[k][0]
        trg = "src" if o.swap and self.rng.random() < 0.5 else "trg"
        src = "src" if trg == "trg" else "trg"
        pool = self.rng.integers(0, len(pairs.data), o.batch * 24 * self.workers)
        length = pairs.lengths[trg][pool]
        pool, length = pool[length <= self.canvases[-1]], length[length <= self.canvases[-1]]
        wanted = np.minimum(length + self.rng.integers(0, o.slack + 1, len(pool)), self.canvases[-1])
        canvas = np.array(self.canvases)[np.searchsorted(self.canvases, wanted)]
        for c in self.canvases:
            members = pool[canvas == c]
            members = members[np.argsort(pairs.lengths[src][members], kind="stable")]
            size = max(1, o.batch * self.canvases[0] // c) * self.workers
            for start in range(0, len(members) - size + 1, size):
                self.pending.append((k, trg, c, members[start + self.rank : start + size : self.workers]))
        self.rng.shuffle(self.pending)

    def draw(self, autoencode: bool = False) -> Batch:
        """The next batch. With `autoencode` the source is the target itself with some of its positions hidden."""
        while not self.pending:
            self._refill()
        k, trg, canvas, members = self.pending.pop()
        pairs, o = self.sets[k][0], self.options
        src = trg if autoencode else ("src" if trg == "trg" else "trg")
        rows = torch.from_numpy(members).to(pairs.device)
        longest = int(pairs.lengths[src][members].max())
        if o.crops and not autoencode:
            longest = min(longest, int(self.rng.choice(o.crops)))
        width = next((w for w in self.widths if w >= longest), self.widths[-1])
        target_ids, target = pairs.gather(trg, rows, canvas)
        source_ids, source = pairs.gather(src, rows, width)
        mask = source_ids != pairs.encoder.pad_id
        hide = torch.rand(mask.shape, device=pairs.device) < (o.autoencode_hidden if autoencode else o.token_dropout)
        mask = mask & ~(hide & ~pairs.encoder.is_special[source_ids])
        dropped = torch.rand(len(rows), device=pairs.device) < o.source_dropout
        n = self.null.shape[0]
        null = torch.zeros_like(source[0])
        null[:n] = self.null
        null_mask = torch.arange(width, device=pairs.device) < n
        source = torch.where(dropped[:, None, None], null, source)
        mask = torch.where(dropped[:, None], null_mask, mask)
        return Batch(target, source, mask.float(), target_ids, source_ids)
