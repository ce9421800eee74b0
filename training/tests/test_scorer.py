"""The sentence scorer: what it learns, and that its graph is the same; and what is counted of tokens: pairs, and words of several."""

from __future__ import annotations

import gzip
import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tdi_training.bigrams import bigrams
from tdi_training.scorer import fit_scorer
from tdi_training.selection import FEATURES
from tdi_training.words import pieced, word_list


class Scorer(unittest.TestCase):
    def test_it_finds_the_encoding_that_decides_and_exports(self):
        random = np.random.default_rng(0)
        counts = np.full(400, 5)
        encodings = random.normal(size=(2000, 16)).astype(np.float16)
        gain = np.zeros(2000, np.float32)
        may = np.ones(2000, bool)
        for document in range(400):
            rows = slice(5 * document, 5 * document + 5)
            may[5 * document + 4] = False
            gain[5 * document + int(encodings[rows, 3][:4].argmax())] = 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "some.npz"
            np.savez(path, encodings=encodings, features=random.normal(size=(2000, len(FEATURES))).astype(np.float32), may=may, gain=gain, counts=counts)
            report = fit_scorer([(path, 1.0)], [path], epochs=20, members=2, out=Path(folder) / "scorer.onnx")
        self.assertGreater(report["some"]["all"], 0.8)
        self.assertLess(report["max_abs_error"], 1e-4)


class Letters:
    """A tokenizer of one token a letter, a = 3 and so on, between 1 and 2."""

    def __len__(self):
        return 8

    def __call__(self, texts, **_):
        return {"input_ids": [[1, *(ord(letter) - 94 for letter in text), 2] for text in texts]}


class Bigrams(unittest.TestCase):
    def test_pairs_that_chance_would_bring_together_are_known_where_they_occur(self):
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "some.jsonl.gz", Path(folder) / "bigrams.bin"
            with gzip.open(path, "wt") as lines:
                lines.writelines(json.dumps({"src": "ab", "trg": "ab" if k else "ba"}) + "\n" for k in range(10))
            report = bigrams([(path, 1.0)], Letters(), out)
            version, total, size, *rest = np.fromfile(out, "<u4").tolist()
        self.assertEqual((version, total, size), (1, 80, 8))
        self.assertEqual(rest[:8], [0, 20, 20, 20, 20, 0, 0, 0])
        # b then a was seen once only.
        self.assertEqual(rest[9:], [1 * 8 + 3, 3 * 8 + 4, 4 * 8 + 2])
        self.assertEqual(rest[8], report["kept"])


class Pieces:
    """A tokenizer that cuts at hyphens."""

    def __call__(self, texts, **_):
        encodings = [SimpleNamespace(tokens=[piece if i == 0 else f"##{piece}" for word in text.split() for i, piece in enumerate(word.split("-"))]) for text in texts]
        return SimpleNamespace(encodings=encodings)


class Words(unittest.TestCase):
    def test_words_of_several_tokens_are_put_together(self):
        self.assertEqual(pieced(["the", "end", "##op", "##las", "##mic", "re", "##tic", "##ulum", "is"]), ["endoplasmic", "reticulum"])
        self.assertEqual(pieced(["##s", "##t", "of"]), ["##st"])

    def test_those_that_one_file_has_often_enough_are_kept_but_no_numbers(self):
        with tempfile.TemporaryDirectory() as folder:
            one, other, out = (Path(folder) / name for name in ("one.jsonl.gz", "other.jsonl.gz", "words.txt"))
            with gzip.open(one, "wt") as lines:
                lines.writelines(json.dumps({"src": "play-list 20-35 6-s", "trg": "play-list once-on-ly 20-35 6-s"}) + "\n" for _ in range(1))
            with gzip.open(other, "wt") as lines:
                lines.writelines(json.dumps({"document": "mito-chon-dria", "summary": "of" if k else "sel-dom"}) + "\n" for k in range(3))
            report = word_list([(one, 1, 2), (other, 1, 3)], Pieces(), out)
            self.assertEqual(out.read_text(), "6s\nmitochondria\nplaylist\n")
        self.assertEqual(report["words"], 3)


if __name__ == "__main__":
    unittest.main()
