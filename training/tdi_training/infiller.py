"""What belongs in a blank of a draft? A small conditional masked language model (Mask-Predict, arXiv 1904.09324) over the frozen encoder's latents of a text with
blanks and of its source. It learns on people's rewordings and on the sampler's own sound texts, half of them with slips elsewhere, and on blanks where nothing
belongs, as an insertion and deletion model does (LevT, arXiv 1905.11006). The server runs it as a graph of the bundle (src/model/infiller.ts)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .acceptability import Corruptor
from .attend import attend
from .encoder import FrozenEncoder

LONGEST = 64  # tokens of a text that are looked at, special ones included
BLANKS = (0.4, 0.2, 0.2, 0.2)  # shares of drafts with one, two, three, four of them
TOGETHER = 0.3  # share of the drafts with more than one in which they stand side by side, as a phrase would
SLIPPED = 0.5  # share of the drafts with a slip elsewhere
NOTHING = 0.3  # share of those with one more blank, where nothing belongs
READINGS = 4  # of a blank that the graph tells, besides nothing
UNKNOWN = -14.0  # log-probability of what may not be chosen
NEVER = 1e9


class OverBoth(nn.Module):
    """Layers over the latents of a text and of its source together: text [B, T, H], mask [B, T], source [B, S, H], mask [B, S] -> states [B, T, width] of the text."""

    def __init__(self, hidden: int, width: int, layers: int):
        super().__init__()
        self.into = nn.Linear(hidden, width)
        self.side = nn.Parameter(torch.zeros(2, width))
        self.place = nn.Parameter(torch.zeros(LONGEST, width))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 8, 2 * width, 0.0, batch_first=True, norm_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Identity()  # what is learned on is drawn anew each time: there is nothing to learn by heart

    def states(self, text, text_mask, source, source_mask):
        places = torch.cat([self.side[0] + self.place[: text.shape[1]], self.side[1] + self.place[: source.shape[1]]])
        h = self.into(torch.cat([text, source], 1)) + places
        hidden = (1 - torch.cat([text_mask, source_mask], 1))[:, None, None, :] * -1e9
        for block in self.blocks:
            h = attend(block, h, hidden, self.drop)
        return self.norm(h[:, : text.shape[1]])


class Infiller(OverBoth):
    """Text and source, as `states` takes them -> states [B, T, H] that are compared with the frozen word embeddings, and
    what being a token of the source adds to a logit [B, T, 1]. The latents of the mask token mark a blank."""

    def __init__(self, hidden: int, kept: torch.Tensor, width: int, layers: int):
        super().__init__(hidden, width, layers)
        self.back, self.gate = nn.Linear(width, hidden), nn.Linear(width, 1)
        self.register_buffer("kept", kept)
        self.bias, self.rare = nn.Parameter(torch.zeros(len(kept))), nn.Parameter(torch.zeros(1))

    def forward(self, text, text_mask, source, source_mask):
        h = self.states(text, text_mask, source, source_mask)
        return self.back(h), self.gate(h)


class Blanks:
    """Pairs of token ids (source, target) -> drafts of the target with blanks, and what belongs in them."""

    def __init__(self, tokenizer, pairs: list[tuple[list[int], list[int]]], seed: int):
        self.rng = np.random.default_rng(seed)
        self.corrupt = Corruptor(tokenizer, [target for _, target in pairs[:100_000]], seed)
        self.blank = tokenizer.mask_token_id

    def __call__(self, target: list[int]) -> tuple[list[int], list[int]]:
        """(draft ids, for each place the id that belongs there: -1 where there is no blank, the mask token where there is one for nothing)."""
        ids, told = self.corrupt(target) if self.rng.random() < SLIPPED else (target, [0] * len(target))
        free = [place for place in range(1, len(ids) - 1) if not told[place]]
        draft, wanted = list(ids), [-1] * len(ids)
        for place in self._places(free, min(len(free), int(self.rng.choice(len(BLANKS), p=BLANKS)) + 1)):
            draft[place], wanted[place] = self.blank, ids[place]
        if self.rng.random() < NOTHING:
            gaps = [g for g in range(1, len(draft)) if self.blank not in draft[g - 1 : g + 1]]
            if gaps:
                gap = int(self.rng.choice(gaps))
                draft.insert(gap, self.blank)
                wanted.insert(gap, self.blank)
        return draft, wanted

    def _places(self, free: list[int], count: int) -> list[int]:
        if count < 2 or self.rng.random() >= TOGETHER:
            return list(self.rng.choice(free, count, replace=False)) if free else []
        first = int(self.rng.integers(0, len(free) - count + 1))
        return free[first : first + count]


def drafts_around(target: list[int], blank: int) -> list[list[int]]:
    """A text with its first token blanked, with a blank behind that, and so on for the first few."""
    return [draft for place in range(1, min(4, len(target) - 1)) for draft in (target[:place] + [blank] + target[place + 1 :], target[: place + 1] + [blank] + target[place + 1 :])]


def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    out = torch.full((len(rows), max(map(len, rows))), fill)
    for row, ids in enumerate(rows):
        out[row, : len(ids)] = torch.tensor(ids)
    return out


def logits_at(model: Infiller, encoder: FrozenEncoder, drafts: list[list[int]], sources: list[list[int]], at: tuple[torch.Tensor, torch.Tensor]):
    """Logits [n, C] at these places (rows [n], columns [n]) and the ids [C] they stand for: those kept, and those of the sources. No token of another row's source."""
    text, source = padded(drafts, encoder.pad_id), padded(sources, encoder.pad_id)
    with torch.no_grad():
        z, c = encoder(text).float(), encoder(source).float()
    mask = lambda ids: (ids != encoder.pad_id).float()  # noqa: E731
    states, gate = model(z, mask(text), c, mask(source))
    rows, columns = at
    states, gate = states[rows, columns], gate[rows, columns]
    listed = torch.zeros(encoder.vocabulary, dtype=torch.bool)
    listed[model.kept] = True
    listed[encoder.is_special.nonzero()[:, 0]] = True
    found = source.unique()
    rare = found[~listed[found]]
    ids = torch.cat([model.kept, rare])
    there = torch.zeros(len(sources), encoder.vocabulary)
    there.scatter_(1, source, 1.0)
    there = there[:, ids][rows]
    bias = torch.cat([model.bias, model.rare.expand(len(rare))])
    logits = states @ encoder.word_embeddings[ids].T + bias + gate * there
    logits[:, len(model.kept) :] -= NEVER * (1 - there[:, len(model.kept) :])
    return logits, ids


def blanks_of(wanted: list[list[int]]) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Where the blanks of a batch are (rows, columns), and what belongs in them."""
    table = padded(wanted, -1)
    at = (table >= 0).nonzero(as_tuple=True)
    return at, table[at]


def loss_of(logits: torch.Tensor, ids: torch.Tensor, wanted: torch.Tensor):
    """Mean negative log-likelihood of what belongs there, of the blanks for which it is among the ids; and the rank of each (from 0)."""
    position = torch.full((int(max(ids.max(), wanted.max())) + 1,), -1)
    position[ids] = torch.arange(len(ids))
    target = position[wanted]
    known = target >= 0
    known[known.clone()] = logits[known, target[known]] > -NEVER / 2
    loss = F.cross_entropy(logits[known], target[known])
    rank = torch.full((len(wanted),), len(ids))
    rank[known] = (logits[known] > logits[known, target[known]][:, None]).sum(1)
    return loss, rank


@torch.no_grad()
def report_of(model: Infiller, encoder: FrozenEncoder, held) -> dict:
    """Mean loss on held-out drafts, and shares of blanks whose token is the first, or one of the first three or ten."""
    losses, ranks = [], []
    for drafts, wanted, sources in held:
        at, target = blanks_of(wanted)
        loss, rank = loss_of(*logits_at(model, encoder, drafts, sources, at), target)
        losses.append(float(loss))
        ranks.append(rank)
    rank = torch.cat(ranks)
    return {"valid": round(float(np.mean(losses)), 4), **{f"top{k}": round(float((rank < k).float().mean()), 4) for k in (1, 3, 10)}}


def kept_of(pairs: list[tuple[list[int], list[int]]], tokenizer, least: int) -> torch.Tensor:
    """Sorted ids of the tokens that occur in targets at least so often, and of the mask token, which stands for nothing."""
    counts = np.bincount([i for _, target in pairs for i in target], minlength=len(tokenizer))
    counts[tokenizer.all_special_ids] = 0
    counts[tokenizer.mask_token_id] = least
    return torch.from_numpy(np.flatnonzero(counts >= least))


def export(model: Infiller, encoder: FrozenEncoder, cases: list[tuple[list[list[int]], list[int]]], embeddings: Path, out: Path) -> dict:
    """The graph of one source's drafts with blanks: text [rows, T, H] and its mask [rows, T], source [1, S, H] and its ids [1, S] without padding; of each blank asked about its draft, row [n], and its
    place there, at [n], and old [n], the token that stood there or the mask token for none -> read [n, READINGS + 1], what most likely belongs there, the likeliest first and
    nothing last, likely, the log-probabilities of these, and was [n], that of the old one. Its vocabulary's table is that of `embeddings`, a file beside it. Returns its bytes and parameters, and the largest difference of a log-probability to PyTorch's over cases (drafts, source)."""
    import onnx

    from .packed import pack_choice
    from .quantise import share_table
    from .score_graph import stored_int8

    table, blank = encoder.word_embeddings.detach().clone(), encoder.tokenizer.mask_token_id

    class Fill(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model
            self.register_buffer("table", table)
            self.register_buffer("special", encoder.is_special.nonzero()[:, 0])

        def forward(self, text, mask, source, ids, row, at, old, kept):
            rows, ids = text.shape[0], ids[0]
            states, gate = self.model(text, mask, source.expand(rows, -1, -1), torch.ones_like(source[..., 0]).expand(rows, -1))
            here = lambda x: x.reshape(-1, x.shape[2])[row * text.shape[1] + at]  # noqa: E731
            among = lambda some: (ids[:, None] == some[None, :]).any(1)  # noqa: E731
            again = torch.tril((ids[:, None] == ids[None, :]).float(), -1).amax(1) > 0
            never = (among(kept) | among(self.special) | again).float() * NEVER
            there = torch.cat([(kept[:, None] == ids[None, :]).any(1).float(), torch.ones_like(never)])
            offset = torch.cat([self.model.bias, self.model.rare.expand(ids.shape[0]) - never])
            choices = torch.cat([kept, ids])
            products = torch.cat([here(states) @ F.embedding(some, self.table).T for some in (kept, ids)], 1)
            logits = products + offset + here(gate) * there
            likely = logits.log_softmax(-1)
            told = lambda wanted: torch.where(choices[None] == wanted[:, None], likely, torch.full_like(likely, UNKNOWN)).amax(1)  # noqa: E731
            nothing = torch.full_like(old, blank)
            best, place = likely.topk(READINGS)
            return torch.cat([choices[place], nothing[:, None]], 1), torch.cat([best, told(nothing)[:, None]], 1), told(old)

    def feeds(drafts, source):
        text, ids = padded(drafts, encoder.pad_id), torch.tensor([source])
        at = (text == blank).long().argmax(1)
        return encoder(text), (text != encoder.pad_id).float(), encoder(ids), ids, torch.arange(len(drafts)), at, ids[0, at.clamp(max=len(source) - 1)], model.kept

    names, outputs = ["text", "mask", "source", "ids", "row", "at", "old", "kept"], ["read", "likely", "was"]
    filled = Fill().eval()
    with torch.no_grad():
        torch.onnx.export(filled, feeds(*cases[0]), str(out), input_names=names, output_names=outputs, opset_version=17, dynamo=False, dynamic_axes={
            **{name: {0: "blanks"} for name in ("row", "at", "old", *outputs)}, "text": {0: "rows", 1: "tokens"}, "mask": {0: "rows", 1: "tokens"}, "source": {1: "read tokens"}, "ids": {1: "read tokens"}})
    graph = onnx.load(str(out))
    # Its words are no input but a constant: what follows from them the runtime makes once, when it loads. The exporter would do so itself, and write their table out.
    graph.graph.input.pop()
    graph.graph.initializer.append(onnx.numpy_helper.from_array(model.kept.numpy(), names.pop()))
    rows, scales = (np.fromfile(embeddings, dtype, count, offset=offset).reshape(shape) for dtype, count, offset, shape in
                    ((np.int8, table.numel(), 0, table.shape), (np.float32, len(table), table.numel(), (-1,))))
    share_table(graph, table.numpy(), rows, scales, embeddings.name)
    pack_choice(graph.graph, "kept")
    session = stored_int8(graph, out)
    worst = 0.0
    for case in cases:
        with torch.no_grad():
            given = feeds(*case)
            expected = filled(*given)[1:]
        found = session.run(outputs[1:], {name: value.numpy() for name, value in zip(names, given)})
        worst = max(worst, *(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected)))
    return {"bytes": out.stat().st_size, "max_abs_error": round(worst, 5), "parameters": sum(p.numel() for p in model.parameters())}
