"""Sentences that a paraphraser keeps, and the rewordings that need no judgement."""

from __future__ import annotations

import gzip
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from tdi_training.data import PackedPairs
from tdi_training.statements import hardness, reworded, statements


class Words:
    """A tokenizer of whole words: id 1 before, 2 after, each word by its length."""

    def __call__(self, texts, verbose=True):
        return {"input_ids": [[1, *(2 + len(w) for w in text.split()), 2] for text in texts]}


def possible(sentence):
    return {reworded(sentence, np.random.default_rng(seed)) for seed in range(20)}


class Statements(unittest.TestCase):
    def test_a_contraction_is_made_or_undone(self):
        self.assertEqual(possible("She does not eat meat."), {"She doesn't eat meat."})
        self.assertEqual(possible("They can’t come."), {"They cannot come."})

    def test_an_adverbial_is_moved_either_way(self):
        self.assertEqual(possible("In 1817, the mill was built."), {"the mill was built In 1817."})
        self.assertEqual(possible("The mill was built in 1817."), {"in 1817, The mill was built."})

    def test_nothing_is_made_of_what_no_rule_fits(self):
        self.assertEqual(possible("Bees find their way home."), {"Bees find their way home."})
        self.assertEqual(possible("He asked what it is."), {"He asked what it is."})

    def test_hardness(self):
        self.assertEqual(hardness("The cat sat."), 0)
        self.assertEqual(hardness("Nobody in Paris saw 3 cats."), 5)

    def test_statements_are_kept_or_reworded(self):
        documents = [{"document": f"The {'very ' * k}old mill is not open. It rains.", "summary": "The mill was closed."} for k in range(8)]
        with tempfile.TemporaryDirectory() as folder:
            file, out = Path(folder) / "texts.jsonl.gz", Path(folder) / "out"
            with gzip.open(file, "wt") as stream:
                stream.writelines(json.dumps(row) + "\n" for row in documents)
            report = statements([file], out, Words(), rows=8, length=9)
            data = PackedPairs(out)
            self.assertEqual(report["pairs"], len(data))
            self.assertEqual(report["dropped_long"], 8 - len(data))
            for row in range(len(data)):
                source, target = data.tokens("src", row), data.tokens("trg", row)
                self.assertEqual((source[0], source[-1]), (1, 2))
                self.assertLessEqual(max(len(source), len(target)), 9)
                self.assertIn(len(source) - len(target), (0, 1))  # "is not" may have become "isn't"


if __name__ == "__main__":
    unittest.main()
