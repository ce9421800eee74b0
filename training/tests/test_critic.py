"""The critic: that what it learns on is marked where it was altered, that it learns to tell a source's words from others, and that its graph is the same."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime
import torch

from tdi_training import together, train_critic
from tdi_training.critic import Critic, Made, export
from tdi_training.infiller import Infiller
from tdi_training.train_critic import CriticOptions, fit, groups_of
from tests.test_infiller import CLS, HIDDEN, MASK, PAD, SEP, Words, cat, cow, dog, dot, home, now, pairs, runs, the, walks

TARGET = [CLS, the, dog, walks, home, now, dot, SEP]
SOURCE = [CLS, the, dog, runs, dot, SEP]


def infiller(kept: list[int]) -> Infiller:
    torch.manual_seed(0)
    return Infiller(HIDDEN, torch.tensor(kept), 64, 2).eval()


class CriticTest(unittest.TestCase):
    def test_what_an_infiller_drew_is_marked_where_it_differs(self):
        make = Made(Words(), infiller([MASK, dog, cat, walks]), [TARGET], 0)
        as_it_was = altered = 0
        for _ in range(20):
            for ids, marks in make([(SOURCE, TARGET)] * 8):
                self.assertEqual((len(ids), ids[0], ids[-1], marks[0], marks[-1]), (len(marks), CLS, SEP, 0, 0))
                self.assertNotIn(MASK, ids, "a blank for nothing is left out")
                as_it_was += ids == TARGET
                altered += any(marks)
                if not any(marks):
                    self.assertEqual(ids, TARGET, "what is altered is marked")
        self.assertGreater(altered, 80)
        self.assertGreater(as_it_was, 0)

    def test_a_drawn_word_and_a_gap(self):
        make = Made(Words(), infiller([MASK]), [TARGET], 0)
        stood = [-1, -1, dog, -1, home, -1, -1, -1]
        draft = [CLS, the, MASK, walks, MASK, now, dot, SEP]
        ids, marks = make._written(0, draft, [0] * 8, stood, {(0, 2): cat, (0, 4): MASK})
        self.assertEqual((ids, marks), ([CLS, the, cat, walks, now, dot, SEP], [0, 0, 1, 1, 1, 0, 0]), "a word that is gone marks both its neighbours")
        ids, marks = make._written(0, draft, [0] * 8, stood, {(0, 2): dog, (0, 4): home})
        self.assertEqual((ids, marks), (TARGET, [0] * 8), "what stood there is no slip")

    def test_groups_hold_samples_that_are_not_the_target_and_one_in_forty_is_held_out(self):
        class encoder:  # noqa: N801
            tokenizer = staticmethod(lambda texts: {"input_ids": [[CLS, *map(ord, text), SEP] for text in texts]})

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.jsonl"
            rows = [{"src": "abcd", "trg": "abcde", "candidates": ["abcde", "abcd", "", "x"]}] * 41 + [{"src": "abcd", "trg": "abcde", "candidates": ["abcde"]}]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            groups, held = groups_of(encoder, [path])
        self.assertEqual((len(groups), len(held)), (39, 2))
        self.assertEqual([[chr(i) for i in sample[1:-1]] for sample in groups[0][2]], [list("abcd")])

    def test_it_learns_what_a_source_asks_for_and_its_graph_is_the_same(self):
        found = pairs(400)
        groups = [(source, target, [[CLS, the, cow if target[2] != cow else cat, walks, home, now, dot, SEP]]) for source, target in found[:200]]
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(train_critic, "FrozenEncoder", Words), mock.patch.object(together, "REPORT_EVERY", 40), \
                mock.patch.object(train_critic, "loaded_infiller", lambda *_: infiller([MASK, the, dog, cat, cow, walks, home, now, dot]).requires_grad_(False)):
            out = Path(folder)
            o = dict(batch=16, rate=3e-3, decay=0.9, width=64, layers=2)
            fit(("words", 4, out), out, found, groups, (found[:64], groups[:64]), out / "weights.pt", CriticOptions(minutes=0.2, **o))
            before = torch.load(out / "weights.pt", weights_only=True)["step"]
            critic = fit(("words", 4, out), out, found, groups, (found[:64], groups[:64]), out / "weights.pt", CriticOptions(minutes=0.35, **o))
            self.assertGreater(torch.load(out / "weights.pt", weights_only=True)["step"], before, "goes on from where it was")
            told = export(critic, Words(), found[:8], out / "graph.onnx")
            self.assertLess(told["max_abs_error"], 0.3)
            session = onnxruntime.InferenceSession(str(out / "graph.onnx"))
            encoder = Words()
            for animal, other in ((dog, cat), (cat, cow), (cow, dog)):
                read = lambda who: session.run(None, {"text": encoder(torch.tensor([[CLS, the, who, walks, home, now, dot, SEP]])).numpy(),  # noqa: E731
                                                      "source": encoder(torch.tensor([[CLS, the, animal, runs, dot, SEP]])).numpy()})
                (right, right_places), (wrong, wrong_places) = read(animal), read(other)
                self.assertGreater(right[0], wrong[0], "another animal than the source's")
                self.assertEqual(int(wrong_places[0].argmax()), 2)
                self.assertGreater(wrong_places[0, 2], right_places[0, 2])

    def test_it_begins_from_the_layers_of_an_infiller(self):
        writer = infiller([MASK, dog])
        critic = Critic(HIDDEN, 64, 2).begin_from(writer)
        self.assertTrue(torch.equal(critic.blocks[1].linear1.weight, writer.blocks[1].linear1.weight))
        self.assertTrue(np.isfinite(critic.slip.weight.detach().numpy()).all())


if __name__ == "__main__":
    unittest.main()
