"""The yardstick: an autoregressive decoder of the denoiser's size on the same frozen encoder, with a pointer to the source."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .config import ModelConfig
from .denoiser import Block, Denoiser, mask_bias

Cache = list[tuple[torch.Tensor, torch.Tensor]]  # keys and values [B, heads, T, d] of every block's self-attention


class AutoregressiveDecoder(nn.Module):
    """p(y_i | y_<i, source), a mixture of the vocabulary and of the source's tokens (pointer-generator, arXiv 1704.04368, eq. 9).

    Blocks, source latents, source positions and frozen input and output embeddings are the denoiser's and decoder's, so that
    the two differ in how they generate and in little else. Ids begin with the encoder's [CLS] and end with its [SEP].
    """

    def __init__(self, config: ModelConfig, embeddings: torch.Tensor):
        super().__init__()
        c = config
        self.config = c
        self.register_buffer("table", embeddings.detach().clone().float(), persistent=False)
        self.position_embeddings = nn.Embedding(c.max_positions, c.hidden)
        self.input_norm = nn.LayerNorm(c.hidden, eps=c.layer_norm_eps)
        self.source_positions = nn.Embedding(c.source_length, c.hidden)
        self.blocks = nn.ModuleList(Block(c.hidden, c.heads, c.ffn, c.dropout, c.layer_norm_eps) for _ in range(c.layers))
        self.transform = nn.Linear(c.hidden, c.hidden)
        self.transform_norm = nn.LayerNorm(c.hidden, eps=c.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(len(embeddings)))
        self.pointer_query = nn.Linear(c.hidden, c.hidden)
        self.pointer_key = nn.Linear(c.hidden, c.hidden)
        self.gate = nn.Linear(c.hidden, 1)
        self.apply(Denoiser._init)
        nn.init.zeros_(self.source_positions.weight)

    @torch.no_grad()
    def init_from_encoder(self, encoder: str) -> None:
        """Blocks, positions and input norm from a BERT-like encoder of the same width."""
        from transformers import AutoModel

        from .encoder import resolve_encoder

        model = AutoModel.from_pretrained(resolve_encoder(encoder))
        for i, block in enumerate(self.blocks):
            block.load_encoder_layer(model.encoder.layer[i % len(model.encoder.layer)])
        embeddings = model.embeddings
        self.position_embeddings.weight.copy_(embeddings.position_embeddings.weight[: self.config.max_positions]
                                              + embeddings.token_type_embeddings.weight[0])
        self.input_norm.load_state_dict(embeddings.LayerNorm.state_dict())
        for linear in (self.pointer_query, self.pointer_key):
            nn.init.eye_(linear.weight)

    def keys_values(self, source: torch.Tensor) -> Cache:
        """Cross-attention keys and values of every block for normalised source latents [B, S, H]; then the pointer's keys
        [B, S, H], given twice so that all entries are pairs."""
        states = source + self.source_positions.weight[: source.shape[1]]
        pointer = self.pointer_key(states)
        return [*(block.crossattention.keys_values(states) for block in self.blocks), (pointer, pointer)]

    def states(self, ids: torch.Tensor, cross: Cache, bias: torch.Tensor, past: Cache | None = None) -> tuple[torch.Tensor, Cache]:
        """[B, T] ids -> states [B, T, H] and the self-attention cache with them appended. Without `past` the T tokens are the
        first and see those before them; with it there is one token and it sees all."""
        seen = past[0][0].shape[2] if past else 0
        length = ids.shape[1]
        h = self.input_norm(self.table[ids] + self.position_embeddings.weight[seen : seen + length])
        causal = None if past else torch.full((length, length), -1e9, dtype=h.dtype, device=h.device).triu(1)
        grown: Cache = []
        for i, block in enumerate(self.blocks):
            k, v = block.attention.keys_values(h)
            if past:
                k, v = torch.cat((past[i][0], k), 2), torch.cat((past[i][1], v), 2)
            grown.append((k, v))
            h = block.attention(h, (k, v), causal)
            h = block.crossattention(h, cross[i], bias)
            h = block.norm(h + F.dropout(block.down(F.gelu(block.up(h))), block.dropout, self.training))
        return h, grown

    def vocabulary_logits(self, h: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """[..., H] -> [..., V], or [..., K] of the `kept` ids alone."""
        table, bias = (self.table, self.bias) if kept is None else (self.table[kept], self.bias[kept])
        return F.linear(self.transform_norm(F.gelu(self.transform(h))), table, bias)

    def pointer(self, h: torch.Tensor, cross: Cache, bias: torch.Tensor) -> torch.Tensor:
        """[B, T, H] -> probability [B, T, S] of each source position, given that one is copied."""
        scores = torch.matmul(self.pointer_query(h), cross[-1][0].transpose(1, 2)) * h.shape[-1] ** -0.5
        return (scores + bias[:, 0]).softmax(-1)

    def loss(self, ids: torch.Tensor, source: torch.Tensor, mask: torch.Tensor, source_ids: torch.Tensor, pad: int) -> torch.Tensor:
        """Mean negative log-likelihood a token of ids [B, L] after the first; padding does not count."""
        cross, bias = self.keys_values(source), mask_bias(mask)
        h, _ = self.states(ids[:, :-1], cross, bias)
        wanted = ids[:, 1:]
        valid = wanted != pad
        copied = (self.pointer(h, cross, bias).float() * (source_ids[:, None, :] == wanted[:, :, None])).sum(-1)[valid]
        h, wanted = h[valid], wanted[valid]
        logits = self.vocabulary_logits(h).float()
        written = logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(-1)
        gate = self.gate(h)[:, 0].float()
        mixed = torch.logaddexp(F.logsigmoid(-gate) + written, F.logsigmoid(gate) + copied.clamp_min(1e-9).log())
        return -mixed.mean()

    def log_probabilities(self, h: torch.Tensor, cross: Cache, bias: torch.Tensor, source_ids: torch.Tensor,
                          kept: torch.Tensor | None = None) -> torch.Tensor:
        """[B, 1, H] of the newest token -> log p [B, V] of the next one. With `kept` the vocabulary is those K ids, [B, K], and
        `source_ids` are places among them."""
        copy = torch.sigmoid(self.gate(h))[:, 0].float()
        mixed = self.vocabulary_logits(h, kept)[:, 0].float().softmax(-1) * (1 - copy)
        return mixed.scatter_add(1, source_ids, copy * self.pointer(h, cross, bias)[:, 0].float()).clamp_min(1e-12).log()
