"""Does a text read as a person's rewording of its source would? A network over the frozen encoder's latents of a text and of its source, trained as a discriminator:
to tell people's texts from the same with a slip (acceptability.py) and from the same with words that an infiller drew (replaced token detection, ELECTRA,
arXiv 2003.10555; here given the source), and people's rewordings of a source from the sampler's own (a help in training: chosen by that, texts get worse). A judge that sees the
text alone knows neither "fish" for "meat" nor the slips that a language model makes. The server runs it as a graph of the bundle (src/model/critic.ts)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .acceptability import Corruptor
from .encoder import FrozenEncoder
from .infiller import NOTHING, Infiller, OverBoth, logits_at, padded
from .score_graph import export_score

BLANKS = (0.5, 0.3, 0.2)  # shares of texts with one, two, three places for the infiller to fill
SLIPPED = 0.4  # share of the made texts with slips
FILLED = 0.8  # share of them with words that an infiller drew


class Critic(OverBoth):
    """Text and source, as `states` takes them -> logits: [B] that it reads as a person's would, [B] that it is no sampler's, [B, T] that a place holds a slip."""

    def __init__(self, hidden: int, width: int, layers: int):
        super().__init__(hidden, width, layers)
        self.slip, self.joint, self.out = nn.Linear(width, 1), nn.Linear(2 * width, width), nn.Linear(width, 2)

    def forward(self, text, text_mask, source, source_mask):
        h = self.states(text, text_mask, source, source_mask)
        mean = (h * text_mask[..., None]).sum(1) / text_mask.sum(1, keepdim=True)
        most = (h + (1 - text_mask)[..., None] * -1e4).amax(1)
        whole = self.out(F.gelu(self.joint(torch.cat([mean, most], -1))))
        return whole[:, 0], whole[:, 1], self.slip(h)[..., 0]

    def begin_from(self, infiller: Infiller) -> "Critic":
        """Takes over the layers of an infiller of its size, which know already what is to be expected of a text given its source."""
        self.load_state_dict(infiller.state_dict(), strict=False)
        return self


class Made:
    """Pairs of token ids (source, target) -> the target with slips, and with words that an infiller drew, and where they are."""

    def __init__(self, encoder: FrozenEncoder, infiller: Infiller, targets: list[list[int]], seed: int):
        self.rng = np.random.default_rng(seed)
        self.corrupt = Corruptor(encoder.tokenizer, targets, seed)
        self.encoder, self.infiller, self.blank = encoder, infiller, encoder.tokenizer.mask_token_id

    def _draft(self, target: list[int]) -> tuple[list[int], list[int], list[int]]:
        """(ids with blanks, marks, what stood in each blank: -1 where there is none, the mask token where there was nothing)."""
        filled = self.rng.random() < FILLED
        ids, marks = self.corrupt(target) if not filled or self.rng.random() < SLIPPED else (target, [0] * len(target))
        draft, marks, stood = list(ids), list(marks), [-1] * len(ids)
        if filled:
            for place in self.rng.choice(np.arange(1, len(ids) - 1), min(len(ids) - 2, int(self.rng.choice(len(BLANKS), p=BLANKS)) + 1), replace=False):
                draft[place], stood[place] = self.blank, ids[place]
            gaps = [g for g in range(1, len(draft)) if self.blank not in draft[g - 1 : g + 1]]
            if gaps and self.rng.random() < NOTHING:
                gap = int(self.rng.choice(gaps))
                draft.insert(gap, self.blank)
                stood.insert(gap, self.blank)
                marks.insert(gap, 0)
        return draft, marks, stood

    @torch.no_grad()
    def __call__(self, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[list[int], list[int]]]:
        """(ids, 1 for each token in or beside what does not belong there) for each pair. A text may come out as it was."""
        drafts = [self._draft(target) for _, target in pairs]
        open_ = [row for row, (_, _, stood) in enumerate(drafts) if max(stood) >= 0]
        drawn: dict[tuple[int, int], int] = {}
        if open_:
            at = (padded([drafts[row][2] for row in open_], -1) >= 0).nonzero(as_tuple=True)
            logits, ids = logits_at(self.infiller, self.encoder, [drafts[row][0] for row in open_], [pairs[row][0] for row in open_], at)
            # Gumbel's maximum draws from the softmax.
            noise = -torch.log(-torch.log(torch.from_numpy(self.rng.random(tuple(logits.shape), dtype=np.float32)).clamp(1e-9, 1 - 1e-7)))
            for row, column, pick in zip(at[0].tolist(), at[1].tolist(), ids[(logits.float() + noise).argmax(1)].tolist()):
                drawn[open_[row], column] = pick
        return [self._written(row, *draft, drawn) for row, draft in enumerate(drafts)]

    def _written(self, row: int, draft: list[int], marks: list[int], stood: list[int], drawn: dict[tuple[int, int], int]) -> tuple[list[int], list[int]]:
        out, told, beside = [], [], False
        for column, (i, mark, old) in enumerate(zip(draft, marks, stood)):
            pick = drawn.get((row, column), i)
            wrong = mark if old < 0 or pick == old else 1
            if pick == self.blank:
                # Nothing was said: both its neighbours are beside a gap, unless nothing belongs there.
                if old != self.blank:
                    if told:
                        told[-1] = 1
                    beside = True
                continue
            out.append(pick)
            told.append(1 if beside else wrong)
            beside = False
        told[0] = told[-1] = 0
        return out, told


def rows_of(encoder: FrozenEncoder, texts: list[list[int]], sources: list[list[int]]):
    """What a critic reads: latents of the texts, their mask, latents of the sources, theirs. A source of several texts is encoded once."""
    different = {tuple(ids): row for row, ids in enumerate(dict.fromkeys(map(tuple, sources)))}
    text, source = padded(texts, encoder.pad_id), padded([list(ids) for ids in different], encoder.pad_id)
    of = torch.tensor([different[tuple(ids)] for ids in sources])
    with torch.no_grad():
        return encoder(text).float(), (text != encoder.pad_id).float(), encoder(source).float()[of], (source != encoder.pad_id).float()[of]


def losses_of(critic: Critic, encoder: FrozenEncoder, pairs, made, groups) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Of people's texts and what was made of them, and of groups (source, target, sample). Logits of each kind, people's first."""
    texts = [target for _, target in pairs] + [ids for ids, _ in made] + [target for _, target, _ in groups] + [sample for *_, sample in groups]
    sources = [source for source, _ in pairs] * 2 + [source for source, *_ in groups] * 2
    marks = padded([[0] * len(target) for _, target in pairs] + [told for _, told in made], 0).float()
    text, mask, source, source_mask = rows_of(encoder, texts, sources)
    whole, own, slips = (each.float() for each in critic(text, mask, source, source_mask))
    n, g = len(pairs), len(groups)
    wanted = torch.tensor([1.0] * n + [0.0 if any(told) else 1.0 for _, told in made])
    told = mask[: 2 * n, : marks.shape[1]]
    places = (F.binary_cross_entropy_with_logits(slips[: 2 * n, : marks.shape[1]], marks, reduction="none") * told).sum() / told.sum()
    persons = torch.tensor([1.0] * g + [0.0] * g)
    loss = F.binary_cross_entropy_with_logits(whole[: 2 * n], wanted) + 2 * places + F.binary_cross_entropy_with_logits(own[2 * n :], persons)
    return loss, {"whole": whole[: 2 * n], "wanted": wanted, "own": own[2 * n :], "slips": slips[: 2 * n, : marks.shape[1]], "marks": marks, "told": told}


def export(critic: Critic, encoder: FrozenEncoder, pairs: list[tuple[list[int], list[int]]], out: Path) -> dict:
    """The graph of one text and its source: text [1, T, H] and source [1, S, H] without padding -> score [1], the logit that it reads as a person's rewording of its
    source would, and slips [1, T], the logit for each place that a slip is there; and what `export_score` tells of it."""

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = critic

        def forward(self, text, source):
            score, _, slips = self.model(text, torch.ones_like(text[..., 0]), source, torch.ones_like(source[..., 0]))
            return score, slips

    cases = [{"text": text, "source": source} for text, _, source, _ in (rows_of(encoder, [target], [source]) for source, target in pairs[:16])]
    return export_score(Score().eval(), cases, out, places="slips")
