"""Paired bootstrap: its scores are sacreBLEU's and rouge_score's, its pairs are rows."""

from __future__ import annotations

import dataclasses
import unittest

import numpy as np
from sacrebleu.metrics import BLEU

from tdi_training.bootstrap import RowStatistics, compare

REFERENCES = ["How do I cook rice at home?", "What is the best bread in the town?", "Why is the sky blue today?", "Is it good to learn French?"] * 8
SOURCES = ["How do you cook rice?", "Which bread is best?", "What makes the sky blue?", "Should I learn French?"] * 8
OUTPUTS = ["How can I cook rice at home ?", "What is the best bread in town?", "why is the sky blue", "Is it a good idea to learn French?"] * 8


class Bootstrap(unittest.TestCase):
    def test_scores_of_all_rows_are_the_corpus_scores(self):
        rouge, bleu, source = RowStatistics.of(OUTPUTS, REFERENCES, SOURCES).scores(np.ones((1, len(OUTPUTS))))[0]
        self.assertAlmostEqual(bleu, BLEU().corpus_score(OUTPUTS, [REFERENCES]).score, places=6)
        self.assertAlmostEqual(source, BLEU().corpus_score(OUTPUTS, [SOURCES]).score, places=6)
        self.assertTrue(50 < rouge < 100)

    def test_differences_are_paired(self):
        mine = RowStatistics.of(OUTPUTS, REFERENCES, SOURCES)
        worse = dataclasses.replace(mine, rouge_l=mine.rouge_l - 0.01)
        found = compare({"mine": mine, "same": mine, "worse": worse}, "mine", samples=200)
        self.assertEqual(found["same"]["bleu"]["difference_interval"], [0.0, 0.0])
        low, high = found["mine"]["rougeL"]["interval"]
        self.assertLess(low, high)
        # The same rows are drawn for both: what is one point lower on every row is one point lower on any choice of them.
        self.assertEqual(found["worse"]["rougeL"]["difference_interval"], [-1.0, -1.0])
        self.assertEqual(found, compare({"mine": mine, "same": mine, "worse": worse}, "mine", samples=200))


if __name__ == "__main__":
    unittest.main()
