"""The infiller: that drafts ask for what was there, that it learns to fill them from the source, and that its graph is the same."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime
import torch

from tdi_training import together, train_infiller
from tdi_training.infiller import Blanks, blanks_of, drafts_around, export, kept_of, logits_at, loss_of
from tdi_training.quantise import table_to_int8
from tdi_training.train_infiller import InfillerOptions, fit

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "cat", "cow", "runs", "walks", "home", "now", "quokka", "."]
PAD, CLS, SEP, MASK = range(4)
the, dog, cat, cow, runs, walks, home, now, quokka, dot = range(4, 14)
HIDDEN = 24


class Words:
    """A frozen encoder of a few words, each a direction of its own."""

    hidden, pad_id, vocabulary = HIDDEN, PAD, len(WORDS)
    is_special = torch.arange(len(WORDS)) < 4
    word_embeddings = torch.nn.functional.one_hot(torch.arange(len(WORDS)), HIDDEN).float()

    class tokenizer:  # noqa: N801
        mask_token_id, all_special_ids = MASK, [PAD, CLS, SEP, MASK]

        def __len__(self):
            return len(WORDS)

        def convert_ids_to_tokens(self, ids):
            return [WORDS[i] for i in ids]

    tokenizer = tokenizer()

    def __init__(self, *_):
        pass

    def load_statistics(self, _):
        return self

    def __call__(self, ids):
        return torch.nn.functional.one_hot(ids, HIDDEN).float() * 4


def pairs(count: int) -> list[tuple[list[int], list[int]]]:
    """"The dog runs." and "The dog walks home now.": the animal of a target is its source's."""
    rng = np.random.default_rng(0)
    out = []
    for _ in range(count):
        animal = int(rng.choice([dog, cat, cow]))
        out.append(([CLS, the, animal, runs, dot, SEP], [CLS, the, animal, walks, home, now, dot, SEP]))
    return out


class InfillerTest(unittest.TestCase):
    def test_a_blank_is_told_what_stood_there_or_that_nothing_did(self):
        blanks = Blanks(Words.tokenizer, pairs(50), 0)
        nothing = 0
        for _ in range(300):
            draft, wanted = blanks([CLS, the, dog, walks, home, now, dot, SEP])
            self.assertEqual([w >= 0 for w in wanted], [i == MASK for i in draft])
            self.assertEqual((draft[0], draft[-1], len(wanted)), (CLS, SEP, len(draft)))
            nothing += MASK in wanted
        self.assertTrue(40 < nothing < 150, nothing)

    def test_of_several_blanks_some_stand_side_by_side(self):
        blanks, target = Blanks(Words.tokenizer, pairs(50), 0), [CLS, the, dog, walks, home, now, dot, SEP]
        together = apart = 0
        for _ in range(400):
            draft, wanted = blanks(target)
            at = [place for place, w in enumerate(wanted) if w not in (-1, MASK)]
            if len(at) == 2 and draft.count(MASK) == 2 and len(draft) == len(target):
                together += at[1] - at[0] == 1
                apart += at[1] - at[0] > 1
        self.assertGreater(together, apart * 0.8)
        self.assertGreater(apart, 5)

    def test_only_tokens_that_are_kept_or_of_its_own_source_may_be_chosen(self):
        found = pairs(60)
        model = train_infiller.Infiller(HIDDEN, kept_of(found, Words.tokenizer, 25), 16, 1)
        self.assertEqual(model.kept.tolist(), [MASK, the, walks, home, now, dot], "no animal occurs so often")
        drafts, sources = [[CLS, the, MASK, walks, SEP]] * 2, [[CLS, the, quokka, SEP], [CLS, the, dog, SEP]]
        logits, ids = logits_at(model, Words(), drafts, sources, (torch.tensor([0, 1]), torch.tensor([2, 2])))
        self.assertEqual(ids.tolist(), [*model.kept.tolist(), dog, quokka])
        allowed = (logits > -1e8).tolist()
        self.assertEqual([row[-2:] for row in allowed], [[False, True], [True, False]])
        loss, rank = loss_of(logits, ids, torch.tensor([dog, dog]))
        self.assertTrue(torch.isfinite(loss))
        self.assertEqual(int(rank[0]), len(ids), "what it may not choose it does not find")

    def test_it_learns_to_fill_from_text_and_source_and_its_graph_is_the_same(self):
        found = pairs(400)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(train_infiller, "FrozenEncoder", Words), mock.patch.object(together, "REPORT_EVERY", 40):
            out = Path(folder)
            fit(("words", 4, out), found, found[:64], out / "weights.pt", InfillerOptions(minutes=0.2, batch=32, rate=3e-3, decay=0.9, least=5, width=64, layers=2))
            before = torch.load(out / "weights.pt", weights_only=True)["step"]
            model = fit(("words", 4, out), found, found[:64], out / "weights.pt", InfillerOptions(minutes=0.35, batch=32, rate=1e-3, decay=0.9, least=5, width=64, layers=2))
            self.assertGreater(torch.load(out / "weights.pt", weights_only=True)["step"], before, "goes on from where it was")
            rows, scales = table_to_int8(Words.word_embeddings.numpy())
            (out / "table.bin").write_bytes(rows.tobytes() + scales.tobytes())
            cases = [(drafts_around(target, MASK), source) for source, target in found[:4]]
            told = export(model, Words(), cases, out / "table.bin", out / "graph.onnx")
            self.assertLess(told["max_abs_error"], 0.2)
            session = onnxruntime.InferenceSession(str(out / "graph.onnx"))
            encoder = Words()
            for animal in (dog, cat, cow):
                source = torch.tensor([[CLS, the, animal, runs, dot, SEP]])
                drafts = torch.tensor([[CLS, the, MASK, walks, home, now, dot, SEP, PAD], [CLS, the, animal, walks, MASK, home, now, dot, SEP]])
                read, likely, was = session.run(None, {"text": encoder(drafts).numpy(), "mask": (drafts != PAD).float().numpy(), "source": encoder(source).numpy(),
                                                  "ids": source.numpy(), "row": np.array([0, 1]), "at": np.array([2, 4]), "old": np.array([quokka, MASK])})
                self.assertEqual(read[:, 0].tolist(), [animal, MASK])
                self.assertTrue((np.diff(likely[:, :-1], axis=1) <= 0).all(), "the likeliest first")
                self.assertEqual(read[:, -1].tolist(), [MASK, MASK], "nothing is told in any case")
                self.assertEqual(was.tolist(), [-14, likely[1, -1]], "what may not be chosen is unlikely; nothing was there")
                again = session.run(None, {"text": encoder(drafts).numpy(), "mask": (drafts != PAD).float().numpy(), "source": encoder(source).numpy(),
                                           "ids": source.numpy(), "row": np.array([1, 0, 1]), "at": np.array([2, 2, 4]), "old": np.array([animal, quokka, MASK])})
                self.assertEqual(again[0][1:, 0].tolist(), [animal, MASK], "of a draft several places may be asked about, in any order")
                self.assertAlmostEqual(float(again[2][2]), float(was[1]), 5)

    def test_blanks_of_a_batch(self):
        at, wanted = blanks_of([[-1, 7, -1], [-1, -1, -1, 9]])
        self.assertEqual(([a.tolist() for a in at], wanted.tolist()), ([[0, 1], [1, 3]], [7, 9]))


if __name__ == "__main__":
    unittest.main()
