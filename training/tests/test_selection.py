"""Content selection, against the cases that hold the server to the same choices; and the fit."""

from __future__ import annotations

import gzip
import json
import tempfile
import unittest
from pathlib import Path

from tdi_training.selection import FEATURES, fit, select, split_sentences

CASES = json.loads((Path(__file__).parents[2] / "tests" / "fixtures" / "selection" / "cases.json").read_text(encoding="utf-8"))


def count(sentence: str) -> int:
    return len(sentence.split())


class Selection(unittest.TestCase):
    def test_the_shared_cases(self):
        for case in CASES["cases"]:
            self.assertEqual(split_sentences(case["text"]), case["sentences"])
            self.assertEqual(" ".join(select(case["text"], CASES["selector"], count)), case["selected"])

    def test_a_fit_finds_the_feature_that_decides(self):
        topics = ["harbour", "library", "museum", "railway", "orchard", "theatre", "airport", "stadium"]
        rows = []
        for k, topic in enumerate(topics * 4):
            other = topics[(k + 3) % len(topics)]
            dull = f"people near the {other} talked about rain for a long while"
            told = f"officials closed the {topic} for {k + 10} days"
            sentences = [dull.capitalize() + ".", told.capitalize() + "."] if k % 2 else [told.capitalize() + ".", dull.capitalize() + "."]
            rows.append({"document": " ".join(sentences), "summary": told})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.jsonl.gz"
            with gzip.open(path, "wt") as out:
                out.writelines(json.dumps(row) + "\n" for row in rows)
            selector = fit([(path, 1.0)], frozenset(), 1000, budget=1)
        self.assertEqual(tuple(selector["features"]), FEATURES)
        chosen = [" ".join(select(row["document"], selector, count)) for row in rows]
        self.assertTrue(all("Officials closed" in text and "rain" not in text for text in chosen))


if __name__ == "__main__":
    unittest.main()
