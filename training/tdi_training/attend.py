"""A transformer layer in operators that export."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def attend(block: nn.TransformerEncoderLayer, h: torch.Tensor, hidden: torch.Tensor, drop: nn.Module) -> torch.Tensor:
    """Pre-norm attention and feed-forward with the block's weights. h [B, n, width]; hidden is added to the scores."""
    attention = block.self_attn
    heads, rows, width = attention.num_heads, h.shape[0], h.shape[2]
    q, k, v = (each.reshape(rows, -1, heads, width // heads).transpose(1, 2) for each in F.linear(block.norm1(h), attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1))
    weights = (q @ k.transpose(2, 3) / (width // heads) ** 0.5 + hidden).softmax(-1)
    h = h + drop(attention.out_proj((drop(weights) @ v).transpose(1, 2).reshape(rows, -1, width)))
    return h + drop(block.linear2(drop(F.relu(block.linear1(block.norm2(h))))))
