"""A loss on what is read: cross-entropy of the target's tokens in a frozen decoder's reading of the denoiser's x0. A squared error takes the
mean of two wordings for better than either of them, and a decoder reads such a mean as a blend of both; what a place is read as has
one answer. Cross-entropy of a prediction's tokens beside the squared error is known of embeddings that are trained along (anchor loss,
Difformer, arXiv 2212.09412; CDCD, arXiv 2211.15089); here the latents and their decoder stay as they are."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .batches import Batch
from .data import PackedPairs
from .decoder import Decoder
from .encoder import FrozenEncoder

LEAST_COUNT = 10  # occurrences in the training texts of a token that others are told from; a batch's own are always among them


class ReadingLoss:
    """Holds a decoder, which it freezes, and the tokens that its words are told from: most of a vocabulary is never near."""

    def __init__(self, decoder: Decoder, encoder: FrozenEncoder, data: list[PackedPairs]):
        if not decoder.tied:
            raise SystemExit("--read-weight needs a decoder with tied embeddings")
        self.decoder, self.encoder = decoder.eval().requires_grad_(False), encoder
        arrays = {id(ids): ids for each in data for ids in each.ids.values()}.values()
        counts = sum(np.bincount(np.asarray(ids), minlength=encoder.vocabulary) for ids in arrays)
        self.frequent = torch.from_numpy(np.flatnonzero(counts >= LEAST_COUNT)).to(decoder.table.device)

    def __call__(self, guess: torch.Tensor, batch: Batch, share: float = 1.0) -> torch.Tensor:
        """Nats a token, of the target's tokens up to and with its end mark. guess [B, L, H]: a prediction of x0 in normalised latents. Of a `share` of the
        rows, drawn anew at each call: reading costs about half of a pass through the denoiser."""
        rows = torch.randperm(len(guess), device=guess.device)[: max(1, round(share * len(guess)))]
        guess, source, mask, ids = guess[rows], batch.source[rows], batch.mask[rows], batch.target_ids[rows]
        states = self.decoder.states(self.encoder.denormalise(guess), self.encoder.denormalise(source), mask)
        told = ids != self.encoder.pad_id
        among = torch.unique(torch.cat([self.frequent, ids[told]]))
        logits = F.linear(states[told], self.decoder.table[among].to(states.dtype), self.decoder.bias[among].to(states.dtype))
        return F.cross_entropy(logits.float(), torch.searchsorted(among, ids[told]))
