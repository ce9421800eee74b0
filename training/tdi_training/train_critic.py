"""Fits a critic (critic.py), over as many processes as are given; they share the weights as those of the denoiser's training do (shared.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .critic import Critic, Made, losses_of
from .encoder import FrozenEncoder
from .infiller import Infiller
from .shared import Shared
from .together import FitOptions, fit_together, prepare_worker, run
from .train_infiller import LONGEST_SOURCE, LONGEST_TARGET, SHORTEST, Pairs

Groups = list[tuple[list[int], list[int], list[list[int]]]]  # source, target, samples
HELD_OUT = 40  # of so many groups one is
HELD = 512  # pairs, and as many groups, that it is reported on


@dataclass
class CriticOptions(FitOptions):
    batch: int = 32  # pairs; half as many groups


def groups_of(encoder: FrozenEncoder, files: list[Path]) -> tuple[Groups, Groups]:
    """Groups of files of candidates, none of whose samples is the target; and every fortieth of them, held out."""
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    ids = lambda texts: encoder.tokenizer(texts)["input_ids"] if texts else []  # noqa: E731
    sources, targets = ids([row["src"] for row in rows]), ids([row["trg"] for row in rows])
    groups: Groups = []
    for row, source, target in zip(rows, sources, targets):
        samples = [each for each in ids([text for text in row["candidates"] if text.strip()]) if SHORTEST <= len(each) <= LONGEST_TARGET and each != target]
        if samples and len(source) <= LONGEST_SOURCE and SHORTEST <= len(target) <= LONGEST_TARGET:
            groups.append((source, target, samples))
    return [group for i, group in enumerate(groups) if i % HELD_OUT], groups[::HELD_OUT][:HELD]


def loaded_infiller(encoder: FrozenEncoder, checkpoint: Path, o: FitOptions) -> Infiller:
    """The EMA that `fit-infiller` kept, of that width and so many layers."""
    state = torch.load(checkpoint, weights_only=True)["ema"]
    infiller = Infiller(encoder.hidden, state["kept"], o.width, o.layers)
    infiller.load_state_dict(state)
    return infiller.eval().requires_grad_(False)


def fit(encoder: tuple[str, int, Path], infiller: Path, pairs: Pairs, groups: Groups, valid: tuple[Pairs, Groups], out: Path, o: CriticOptions) -> Critic:
    """Fits on texts made anew each time. encoder: its name, layer and statistics; infiller: a checkpoint of the same size, which draws words and whose layers the critic begins
    from. Writes `out` (a checkpoint, from which the same call goes on) at every report, and returns the EMA."""
    torch.manual_seed(o.seed)
    first = FrozenEncoder(*encoder[:2])
    model = Critic(first.hidden, o.width, o.layers).begin_from(loaded_infiller(first, infiller, o))
    return fit_together(model, out, o, {}, _work, (encoder, infiller, pairs, groups, valid, out, o))


def _drawn(groups: Groups, rng: np.random.Generator) -> list[tuple[list[int], list[int], list[int]]]:
    """One sample of each group."""
    return [(source, target, samples[int(rng.integers(len(samples)))]) for source, target, samples in groups]


def _work(rank: int, shared: Shared, state: dict, source: tuple[str, int, Path], infiller: Path, pairs: Pairs, groups: Groups, valid: tuple[Pairs, Groups], out: Path, o: CriticOptions) -> None:
    seed = prepare_worker(rank, state, o)
    encoder = FrozenEncoder(*source[:2]).load_statistics(source[2])
    rng, writer = np.random.default_rng(seed), loaded_infiller(encoder, infiller, o)
    targets = [target for _, target in pairs[:100_000]]
    make = Made(encoder, writer, targets, seed)
    held = _held(Made(encoder, writer, targets, o.seed + 1), *valid, o.batch) if rank == 0 else []
    lengths = lambda row: (len(row[1]), len(row[0]))  # noqa: E731
    pairs, groups = sorted(pairs, key=lengths), sorted(groups, key=lengths)

    def loss_of_batch() -> torch.Tensor:
        at = rng.random()  # texts of about one length
        first, other = (int(at * (len(rows) - size)) for rows, size in ((pairs, o.batch), (groups, o.batch // 2)))
        part = pairs[first : first + o.batch]
        return losses_of(shared.model, encoder, part, make(part), _drawn(groups[other : other + o.batch // 2], rng))[0]

    run(rank, shared, state, out, o, loss_of_batch, lambda: {"texts": state["step"] * o.batch * 3 * o.workers, **report_of(shared.ema, encoder, held)})


def _held(make: Made, pairs: Pairs, groups: Groups, batch: int) -> list:
    """Held-out pairs, what is made of them, and groups with a sample of each, in batches."""
    rng = np.random.default_rng(0)
    return [(pairs[at : at + batch], make(pairs[at : at + batch]), _drawn(groups[at : at + batch], rng)) for at in range(0, min(len(pairs), len(groups)), batch)]


@torch.no_grad()
def report_of(critic: Critic, encoder: FrozenEncoder, held: list) -> dict:
    """Mean loss; shares of pairs whose text as it is comes before what was made of it, and of groups whose target comes before the sample; area under the curve of places."""
    loss, before, person, scores, marks = [], [], [], [], []
    for part in held:
        value, found = losses_of(critic, encoder, *part)
        loss.append(float(value))
        whole, made = found["whole"].chunk(2)
        before.append((whole > made)[found["wanted"].chunk(2)[1] < 0.5])
        target, sample = found["own"].chunk(2)
        person.append(target > sample)
        scores.append(found["slips"][found["told"] > 0])
        marks.append(found["marks"][found["told"] > 0])
    share = lambda rows: round(float(torch.cat(rows).float().mean()), 4)  # noqa: E731
    order = torch.cat(scores).argsort()
    wrong = torch.cat(marks)[order]
    ranks = torch.arange(1, len(wrong) + 1, dtype=torch.float64)
    positive = float(wrong.sum())
    auc = (float((ranks * wrong).sum()) - positive * (positive + 1) / 2) / (positive * (len(wrong) - positive))
    return {"valid": round(float(np.mean(loss)), 4), "ranked": share(before), "person": share(person), "places": round(auc, 4)}
