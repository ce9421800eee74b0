"""The ranker: that it learns to tell a candidate that says the same, and that its graph is the same."""

from __future__ import annotations

import json
import random
import tempfile
import unittest
from pathlib import Path

import torch

from tdi_training.ranker import Groups, export, fit, pairs_of

LETTERS = "abcdefgh"


class Letters:
    """A frozen encoder of one token a letter between two marks, each letter a direction of its own."""

    hidden, pad_id = 16, 0

    class tokenizer:  # noqa: N801
        def __call__(self, texts, **_):
            return {"input_ids": [[1, *(3 + LETTERS.index(letter) for letter in text if letter != " "), 2] for text in texts]}

    tokenizer = tokenizer()

    def __call__(self, ids):
        return torch.nn.functional.one_hot(ids, self.hidden).float() * 4


class RankerTest(unittest.TestCase):
    def test_it_prefers_what_shares_its_sources_words_and_exports(self):
        drawn = random.Random(0)
        text = lambda: " ".join(drawn.choice(LETTERS) for _ in range(5))  # noqa: E731

        def shuffled(words: str) -> str:
            return " ".join(drawn.sample(words.split(), 5))

        with tempfile.TemporaryDirectory() as folder:
            groups, same, different = (Path(folder) / name for name in ("groups.jsonl", "same.jsonl", "different.jsonl"))
            sources = [text() for _ in range(300)]
            rows = [{"src": s, "trg": shuffled(s), "candidates": drawn.sample([shuffled(s), text(), text()], 3)} for s in sources]
            groups.write_text("".join(json.dumps(row) + "\n" for row in rows))
            same.write_text("".join(json.dumps({"src": s, "trg": shuffled(s)}) + "\n" for s in sources))
            different.write_text("".join(json.dumps({"src": s, "trg": text()}) + "\n" for s in sources))
            encoder = Letters()
            found = Groups(groups, encoder, 0.0)
            model, report = fit(found, pairs_of([(same, 1), (different, 0)], encoder, 300, 0), found, epochs=8, seed=0)
            exported = export(model, found, Path(folder) / "ranker.onnx")
        self.assertGreater(report["gain"], report["drawn"] + 0.7 * (report["best"] - report["drawn"]))
        self.assertLess(exported["max_abs_error"], 0.1)
