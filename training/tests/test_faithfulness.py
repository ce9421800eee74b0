"""What is counted as kept and as invented."""

from __future__ import annotations

import json
import unittest
from pathlib import Path

from tdi_training.faithfulness import faithfulness, names, negated, numbers

CASES = Path(__file__).parents[2] / "tests" / "fixtures" / "faithfulness.json"


class Faithfulness(unittest.TestCase):
    def test_what_counts(self):
        """The cases that the server's ranking is held to (tests/unit/faithfulness.test.ts)."""
        for case in json.loads(CASES.read_text()):
            with self.subTest(case["text"]):
                self.assertEqual([numbers(case["text"]), names(case["text"]), negated(case["text"])], [set(case["numbers"]), set(case["names"]), case["negated"]])

    def test_shares(self):
        found = faithfulness(["How did Ana win 3 games in Rome?", "Is it safe?"], ["How did Ana Reyes win 3 of 5 games?", "Why is it not safe?"])
        self.assertEqual(found, {"numbers_kept": 50.0, "numbers_invented": 0.0, "names_kept": 50.0, "names_invented": 50.0,
                                 "negations_kept": 0.0, "negations_invented": 0.0})

    def test_a_copy_keeps_all_and_invents_nothing(self):
        text = ["Did Ana not pay 30 euros in Rome?"]
        found = faithfulness(text, text)
        self.assertTrue(all(value == (100.0 if name.endswith("kept") else 0.0) for name, value in found.items()))


if __name__ == "__main__":
    unittest.main()
