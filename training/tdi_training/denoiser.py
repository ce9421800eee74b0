"""The denoiser of TEncDM: post-LN BERT blocks with cross-attention, long skips, time and self-conditioning per block."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .config import ModelConfig
from .schedule import NoiseSchedule


def timestep_embedding(t: torch.Tensor, size: int) -> torch.Tensor:
    """[B] raw t in [0, 1] -> [B, size]: cos and sin of t * exp(-ln(1e4) i / (size/2)) [TEncDM, released code]."""
    half = size // 2
    freqs = torch.exp(-math.log(1e4) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    args = t.float()[:, None] * freqs[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)


def attend(q, k, v, bias: torch.Tensor | None, dropout: float) -> torch.Tensor:
    """softmax(q k^T / sqrt(d) + bias) v over [B, heads, n, d]. Written out on the CPU, where the backward pass of the
    library's fused kernel takes nine times as long in bf16 (107 ms against 12 at 256 x 12 x 24 x 24, two Zen 4 cores)."""
    if q.device.type == "cuda":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
    scores = torch.matmul(q, k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    return torch.matmul(F.dropout(scores.softmax(-1), dropout, dropout > 0), v)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[B, n, H] -> [B, heads, n, H/heads]."""
    b, n, h = x.shape
    return x.view(b, n, heads, h // heads).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention with its own output map, residual and LayerNorm (post-LN), for self and cross use."""

    def __init__(self, hidden: int, heads: int, dropout: float, eps: float):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=eps)
        self.dropout = dropout

    def keys_values(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, S, H] -> keys and values [B, heads, S, H/heads]; for cross-attention they are the same at every step."""
        return split_heads(self.key(states), self.heads), split_heads(self.value(states), self.heads)

    def forward(self, x: torch.Tensor, kv=None, bias: torch.Tensor | None = None) -> torch.Tensor:
        b, n, h = x.shape
        k, v = kv if kv is not None else self.keys_values(x)
        a = attend(split_heads(self.query(x), self.heads), k, v, bias, self.dropout if self.training else 0.0)
        a = self.output(a.transpose(1, 2).reshape(b, n, h))
        return self.norm(x + F.dropout(a, self.dropout, self.training))


class Block(nn.Module):
    """Self-attention, cross-attention, feed-forward; each with residual and LayerNorm."""

    def __init__(self, hidden: int, heads: int, ffn: int, dropout: float, eps: float, final_norm: bool = True):
        super().__init__()
        self.attention = Attention(hidden, heads, dropout, eps)
        self.crossattention = Attention(hidden, heads, dropout, eps)
        self.up = nn.Linear(hidden, ffn)
        self.down = nn.Linear(ffn, hidden)
        self.norm = nn.LayerNorm(hidden, eps=eps) if final_norm else nn.Identity()
        self.dropout = dropout

    def forward(self, x: torch.Tensor, kv, bias: torch.Tensor | None) -> torch.Tensor:
        x = self.attention(x)
        x = self.crossattention(x, kv, bias)
        f = self.down(F.gelu(self.up(x)))
        return self.norm(x + F.dropout(f, self.dropout, self.training))

    def load_encoder_layer(self, layer) -> None:
        """Start from a BERT layer of the same shape; cross-attention takes its self-attention's weights too."""
        for target in (self.attention, self.crossattention):
            target.query.load_state_dict(layer.attention.self.query.state_dict())
            target.key.load_state_dict(layer.attention.self.key.state_dict())
            target.value.load_state_dict(layer.attention.self.value.state_dict())
            target.output.load_state_dict(layer.attention.output.dense.state_dict())
            target.norm.load_state_dict(layer.attention.output.LayerNorm.state_dict())
        self.up.load_state_dict(layer.intermediate.dense.state_dict())
        self.down.load_state_dict(layer.output.dense.state_dict())
        if isinstance(self.norm, nn.LayerNorm):
            self.norm.load_state_dict(layer.output.LayerNorm.state_dict())


def mask_bias(mask: torch.Tensor) -> torch.Tensor:
    """[B, S] of 1 = attend -> additive float mask [B, 1, 1, S]."""
    return ((1.0 - mask.float()) * -1e9)[:, None, None, :]


class CopyHead(nn.Module):
    """gate(h) * sum_j a_ij z_j: each position takes a mean of raw source latents z, attended with one set of weights over the
    full width. Keys and values are laid out like a block's, so that the two are cached together."""

    def __init__(self, hidden: int, heads: int, source_length: int):
        super().__init__()
        self.heads = heads
        self.positions = nn.Embedding(source_length, hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.gate = nn.Linear(hidden, hidden)

    def keys_values(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return split_heads(self.key(latents + self.positions.weight[: latents.shape[1]]), self.heads), split_heads(latents, self.heads)

    def forward(self, h: torch.Tensor, positions: torch.Tensor, kv, bias: torch.Tensor | None) -> torch.Tensor:
        # Merged to [B, S, H] rather than summed over heads: a sum is taken in another order for one row than for several.
        keys, values = (part.transpose(1, 2).flatten(2) for part in kv)
        scores = torch.matmul(self.query(h + positions), keys.transpose(1, 2)) * h.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias[:, 0]
        copied = torch.matmul(scores.softmax(-1), values)
        return torch.sigmoid(self.gate(h)) * copied

    @torch.no_grad()
    def start(self) -> None:
        """Attend by likeness of content and place at first, behind a gate that is nearly shut."""
        for linear in (self.query, self.key):
            nn.init.eye_(linear.weight)
        nn.init.normal_(self.gate.weight, std=0.005)
        nn.init.constant_(self.gate.bias, -3.0)


class Denoiser(nn.Module):
    """x0_hat(x_t, t, source, x0_prev). Shapes: x, x0_prev [B, L, H]; t [B]; source [B, S, H]; source_mask [B, S]."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        c = config
        self.config = c
        self.position_embeddings = nn.Embedding(c.max_positions, c.hidden)
        self.time_mlp = nn.Sequential(nn.Linear(c.hidden, 2 * c.hidden), nn.SiLU(), nn.Linear(2 * c.hidden, c.hidden))
        self.time_proj = nn.ModuleList(nn.Linear(c.hidden, c.hidden) for _ in range(c.layers))
        self.self_cond_proj = nn.ModuleList(nn.Linear(c.hidden, c.hidden) for _ in range(c.layers))
        self.blocks = nn.ModuleList(
            Block(c.hidden, c.heads, c.ffn, c.dropout, c.layer_norm_eps,
                  final_norm=not (c.output_projection and i == c.layers - 1))
            for i in range(c.layers)
        )
        self.output = nn.Linear(c.hidden, c.hidden) if c.output_projection else nn.Identity()
        self.source_positions = nn.Embedding(c.source_length, c.hidden) if c.source_positions else None
        self.copy = CopyHead(c.hidden, c.heads, c.source_length) if c.copy_head else None
        self.apply(self._init)
        if self.copy is not None:
            self.copy.start()
        if self.source_positions is not None:
            # From zero: at the scale of word positions they cost a trained model most of what it knew (held-out error at
            # log-SNR 0 from .16 to .79).
            nn.init.zeros_(self.source_positions.weight)

    @staticmethod
    def _init(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)

    def keys_values(self, source: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Cross-attention keys and values of every block, then the copying output's, for a source [B, S, H]."""
        states = source if self.source_positions is None else source + self.source_positions.weight[: source.shape[1]]
        pairs = [block.crossattention.keys_values(states) for block in self.blocks]
        return pairs if self.copy is None else [*pairs, self.copy.keys_values(source)]

    def network(self, x, t, kv, bias, x0_prev) -> torch.Tensor:
        """F(x_t, t, source, x0_prev) from cached keys and values; bias as from `mask_bias`, None where nothing is masked."""
        tau = self.time_mlp(timestep_embedding(t, self.config.hidden).to(self.position_embeddings.weight.dtype))
        positions = self.position_embeddings.weight[: x.shape[1]]
        h = x + positions
        skips: list[torch.Tensor] = []
        half = len(self.blocks) // 2
        for i, block in enumerate(self.blocks):
            if i < half:
                skips.append(h)
            elif skips:
                h = h + skips.pop()
            h = h + self.time_proj[i](tau)[:, None, :] + self.self_cond_proj[i](x0_prev)
            h = block(h, kv[i], bias)
        out = self.output(h)
        return out if self.copy is None else out + self.copy(h, positions, kv[-1], bias)

    def step(self, x, t, kv, bias, x0_prev) -> torch.Tensor:
        """One prediction of x0."""
        return self.precondition(x, t, self.network(x, t, kv, bias, x0_prev))

    def skip_scale(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(c_skip, c_out) [B] of x0 = c_skip x_t + c_out F; (0, 1) is the paper's plain prediction of x0."""
        if not self.config.precondition:
            return torch.zeros_like(t), torch.ones_like(t)
        alpha = NoiseSchedule(self.config.schedule, self.config.schedule_d).alpha(t)
        return alpha.sqrt(), (1 - alpha).sqrt()

    def precondition(self, x, t, out) -> torch.Tensor:
        if not self.config.precondition:
            return out
        skip, scale = self.skip_scale(t.float())
        return skip[:, None, None] * x + scale[:, None, None] * out

    def forward(self, x, t, source, source_mask, x0_prev) -> torch.Tensor:
        return self.step(x, t, self.keys_values(source), mask_bias(source_mask).to(x.dtype), x0_prev)

    @torch.no_grad()
    def init_from_encoder(self, encoder) -> None:
        """Start each block from the encoder's layer of the same index (cyclically); cross-attention from its
        self-attention. The encoder must be BERT-like and of the same width. Time and self-condition maps start small."""
        from transformers import AutoModel

        from .encoder import resolve_encoder

        source = AutoModel.from_pretrained(resolve_encoder(encoder))
        layers = source.encoder.layer
        for i, block in enumerate(self.blocks):
            block.load_encoder_layer(layers[i % len(layers)])
        positions = source.embeddings.position_embeddings.weight[: self.config.max_positions]
        self.position_embeddings.weight[: len(positions)] = positions / positions.std() * 0.3
        if self.copy is not None:
            table = source.embeddings.position_embeddings.weight[: self.config.source_length]
            self.copy.positions.weight[: len(table)] = table / positions.std() * 0.3
        if isinstance(self.output, nn.Linear):
            nn.init.eye_(self.output.weight)
        for proj in (*self.time_proj, *self.self_cond_proj):
            nn.init.normal_(proj.weight, std=0.005)


def step_flops(config: ModelConfig, rows: int, canvas: int, source: int) -> float:
    """FLOPs of one forward pass (2 per multiply-add), attention scores included."""
    h, f = config.hidden, config.ffn
    per_token = 4 * h * h + 2 * h * h + 2 * h * f + h * h  # self qkvo, cross qo, ffn, self-condition
    attention = 2 * canvas * (canvas + source) * h
    copying = canvas * 2 * h * h + source * h * h + 2 * canvas * source * h if config.copy_head else 0
    return 2.0 * rows * (config.layers * (canvas * per_token + source * 2 * h * h + attention) + copying)
