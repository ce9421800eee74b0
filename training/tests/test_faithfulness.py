"""What is counted as kept and as invented."""

from __future__ import annotations

import unittest

from tdi_training.faithfulness import faithfulness, names, negated, numbers


class Faithfulness(unittest.TestCase):
    def test_what_counts(self):
        self.assertEqual(numbers("In 2017, 3.5% of 1,200 people at 10:30"), {"2017", "3.5", "1200", "10:30"})
        self.assertEqual(names("The mayor of Port Elsin met Ana. She left. “Nobody knows,” I said."), {"port", "elsin", "ana"})
        self.assertTrue(negated("Why don’t cats swim?") and negated("Nothing happened") and not negated("Is it known?"))

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
