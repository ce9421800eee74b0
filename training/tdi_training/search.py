"""Greedy and beam search with a key-value cache; greedy is a beam of one."""

from __future__ import annotations

import numpy as np
import torch

from .autoregressive import AutoregressiveDecoder
from .data import PackedPairs
from .denoiser import mask_bias
from .encoder import FrozenEncoder


@torch.no_grad()
def beam_search(model: AutoregressiveDecoder, source: torch.Tensor, mask: torch.Tensor, source_ids: torch.Tensor, cls: int, sep: int,
                limit: int, beams: int = 4, length_power: float = 0.7,
                frequent: torch.Tensor | None = None) -> list[list[tuple[float, list[int]]]]:
    """For every source its finished hypotheses, best first: (log p / length^length_power, ids without [CLS] and [SEP]). `limit`
    counts tokens with both. A hypothesis leaves its beam when it ends; a row stops once it has `beams` of them. With `frequent` (ids)
    no other token is written but those of the sources, which spares most of the output layer's work. A model in bf16 is asked in
    bf16, and its probabilities are summed in fp32."""
    rows, kind = len(source), model.table.dtype
    kept = None if frequent is None else torch.cat((frequent, source_ids.reshape(-1), torch.tensor([sep]))).unique()
    spelled = torch.arange(len(model.table)) if kept is None else kept  # id of each place of the vocabulary in use
    end = int(torch.searchsorted(spelled, sep))
    source_ids = torch.searchsorted(spelled, source_ids)
    cross = [tuple(part.repeat_interleave(beams, 0) for part in pair) for pair in model.keys_values(source.to(kind))]
    bias, source_ids = mask_bias(mask).to(kind).repeat_interleave(beams, 0), source_ids.repeat_interleave(beams, 0)
    ids = torch.full((rows * beams, 1), cls)
    score = torch.full((rows, beams), -1e9)
    score[:, 0] = 0.0
    past, done = None, [[] for _ in range(rows)]
    for position in range(1, limit):
        h, past = model.states(ids[:, -1:], cross, bias, past)
        step = model.log_probabilities(h, cross, bias, source_ids, kept).float()
        if position == limit - 1:  # no room for more than the end
            only = torch.full_like(step, -1e9)
            only[:, end] = step[:, end]
            step = only
        vocabulary = step.shape[1]
        total = (score[:, :, None] + step.view(rows, beams, vocabulary)).view(rows, -1)
        best, flat = total.topk(2 * beams)
        kept_score, parent = torch.full((rows, beams), -1e9), torch.zeros(rows, beams, dtype=torch.long)
        token = torch.full((rows, beams), end)
        for row in range(rows):
            slot = 0
            for value, index in zip(best[row].tolist(), flat[row].tolist()):
                beam, word = divmod(index, vocabulary)
                if value < -1e8 or slot == beams:
                    break
                if word == end:
                    done[row].append((value / position**length_power, ids[row * beams + beam, 1:].tolist()))
                else:
                    kept_score[row, slot], parent[row, slot], token[row, slot] = value, beam, word
                    slot += 1
            if len(done[row]) >= beams:
                kept_score[row] = -1e9
        if bool((kept_score < -1e8).all()):
            break
        score = kept_score
        order = (parent + torch.arange(rows)[:, None] * beams).view(-1)
        ids = torch.cat((ids[order], spelled[token].view(-1, 1)), 1)
        past = [(k[order], v[order]) for k, v in past]
    return [sorted(row, reverse=True)[:beams] for row in done]


def search_rows(model: AutoregressiveDecoder, encoder: FrozenEncoder, data: PackedPairs, side: str, rows: np.ndarray, beams: int,
                batch: int = 128, progress=lambda rows: rows, length_power: float = 0.7,
                frequent: torch.Tensor | None = None) -> dict[int, list[tuple[float, list[int]]]]:
    """Hypotheses for rows of a prepared folder, whose `side` is the source."""
    config = model.config
    cls, sep = encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id
    order = rows[np.argsort(data.lengths(side)[rows], kind="stable")]
    found: dict[int, list[tuple[float, list[int]]]] = {}
    for start in progress(range(0, len(order), max(1, batch // beams))):
        part = order[start : start + max(1, batch // beams)]
        width = min(int(data.lengths(side)[part].max()), config.source_length)
        ids = torch.from_numpy(data.batch_tokens(side, part, width, encoder.pad_id))
        source = torch.from_numpy(data.batch_encodings(side, part, width)).float() if data.encodings else encoder(ids)
        for row, hypotheses in zip(part, beam_search(model, source, (ids != encoder.pad_id).float(), ids, cls, sep, config.max_canvas, beams, length_power, frequent)):
            found[int(row)] = hypotheses
    return found
