"""The judge of acceptability: that its slips are marked where they are, that it learns to tell them, and that its graph is the same."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from tdi_training.acceptability import Corruptor, export, fit

WORDS = ["[PAD]", "[CLS]", "[SEP]", "walk", "walks", "walked", "red", "old", "##er", "dog", "cat", "runs", "home", "now", "."]
CLS, SEP, PIECE = 1, 2, WORDS.index("##er")


class Words:
    """A frozen encoder of a few words, each a direction of its own."""

    hidden, pad_id = 24, 0

    class tokenizer:  # noqa: N801
        def __len__(self):
            return len(WORDS)

        def convert_ids_to_tokens(self, ids):
            return [WORDS[i] for i in ids]

    tokenizer = tokenizer()

    def __call__(self, ids):
        return torch.nn.functional.one_hot(ids, self.hidden).float() * 4


def sentences(count: int) -> list[list[int]]:
    """The old(er) dog walked home."""
    rng = np.random.default_rng(0)
    word = lambda *choices: [WORDS.index(rng.choice(choices))]  # noqa: E731
    return [[CLS, *word("red", "old"), *([PIECE] if rng.random() < 0.3 else []), *word("dog", "cat"), *word("walks", "walked", "runs"), *word("home", "now"), *word("."), SEP]
            for _ in range(count)]


class AcceptabilityTest(unittest.TestCase):
    def test_a_slip_is_marked_and_words_stay_whole(self):
        found = sentences(400)
        corrupt = Corruptor(Words.tokenizer, found, 0)
        self.assertEqual(set(corrupt.forms[WORDS.index("walks")]), {WORDS.index("walked")}, "only forms that occur")
        changed = 0
        for ids in found:
            slip, told = corrupt(ids)
            self.assertEqual((len(slip), slip[0], slip[-2:], told[0], told[-1]), (len(told), CLS, ids[-2:], 0, 0))
            self.assertEqual(any(told), slip != ids)
            changed += slip != ids
            for place in range(1, len(slip)):
                if slip[place] == PIECE:
                    self.assertEqual(told[place], told[place - 1], "a word's pieces are told alike")
        self.assertGreater(changed, 350)

    def test_it_learns_to_tell_slips_and_exports(self):
        found = sentences(2000)
        model, report = fit(Words(), found, seed=0, steps=200, batch=32)
        with tempfile.TemporaryDirectory() as folder:
            exported = export(model, Words(), found, Path(folder) / "acceptability.onnx")
            graph = onnxruntime.InferenceSession(str(Path(folder) / "acceptability.onnx"))
            torch.save(model.state_dict(), Path(folder) / "judge.pt")
            again, _ = fit(Words(), found, seed=1, steps=1, batch=32, rate=0.0, init=Path(folder) / "judge.pt")
        self.assertGreater(report["ranked"], 0.8)
        self.assertLess(exported["max_abs_error"], 0.3)
        self.assertEqual([output.name for output in graph.get_outputs()], ["score", "slips"])
        for name, weights in model.state_dict().items():
            self.assertTrue(torch.equal(weights, again.state_dict()[name]), name)
