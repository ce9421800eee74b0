"""The decoder: denoised latents -> tokens in one pass, cross-attending to the source; BERT blocks plus a tied output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .config import ModelConfig
from .denoiser import Block, Denoiser, mask_bias


def begin_with_a_word(logits: torch.Tensor, special: torch.Tensor) -> torch.Tensor:
    """Logits [B, L, V] whose place after [CLS] cannot hold a special token, so that no text is empty. special: bool for
    each id of the tokenizer, whose vocabulary some models' tables exceed."""
    first = logits[:, 1:2] - 1e9 * F.pad(special.to(logits.dtype), (0, logits.shape[-1] - len(special)))
    return torch.cat((logits[:, :1], first, logits[:, 2:]), 1)


class Decoder(nn.Module):
    """Latents and source are denormalised encoder states [B, L, H], [B, S, H]; no position embedding, no target mask.

    With `tied_embeddings` [V, H] (the encoder's, frozen) the output is a BERT-style transform times the table; without
    it, a plain linear map to the vocabulary as in the paper.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, tied_embeddings: torch.Tensor | None):
        super().__init__()
        c = config
        self.blocks = nn.ModuleList(
            Block(c.hidden, c.heads, c.ffn, c.dropout, c.layer_norm_eps) for _ in range(c.decoder_layers)
        )
        self.tied = tied_embeddings is not None
        if self.tied:
            self.transform = nn.Linear(c.hidden, c.hidden)
            self.transform_norm = nn.LayerNorm(c.hidden, eps=c.layer_norm_eps)
            self.register_buffer("table", tied_embeddings.detach().clone().float(), persistent=False)
            self.bias = nn.Parameter(torch.zeros(vocabulary))
        else:
            self.head = nn.Linear(c.hidden, vocabulary)
        self.apply(Denoiser._init)

    def states(self, latents: torch.Tensor, source: torch.Tensor, source_mask: torch.Tensor) -> torch.Tensor:
        """[B, L, H] -> [B, L, H] before the vocabulary map."""
        h, bias = latents, mask_bias(source_mask).to(latents.dtype)
        for block in self.blocks:
            h = block(h, block.crossattention.keys_values(source), bias)
        return self.transform_norm(F.gelu(self.transform(h))) if self.tied else h

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        return F.linear(states, self.table.to(states.dtype), self.bias.to(states.dtype)) if self.tied else self.head(states)

    def forward(self, latents, source, source_mask) -> torch.Tensor:
        """Logits [B, L, V]."""
        return self.logits(self.states(latents, source, source_mask))

    @torch.no_grad()
    def init_from_encoder(self, encoder_name: str, first_layer: int) -> None:
        """Start the blocks from the encoder's layers first_layer.. (cyclically), as the denoiser does."""
        from transformers import AutoModel

        from .encoder import resolve_encoder

        layers = AutoModel.from_pretrained(resolve_encoder(encoder_name)).encoder.layer
        for i, block in enumerate(self.blocks):
            block.load_encoder_layer(layers[(first_layer + i) % len(layers)])
