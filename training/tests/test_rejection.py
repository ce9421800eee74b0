"""What is kept of a model's own samples to train it on again."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from tdi_training.rejection import choose, sound
from tests.test_ranker import Letters


class Rejection(unittest.TestCase):
    def test_what_is_sound(self):
        source = "is a 12 not b?"
        for text, wanted in (("a is 12 not b?", True), ("is a 12 not b?", False), ("IS a 12, not b?", False), ("a is 13 not b?", False), ("a is not b?", False),
                             ("a is 12 b?", False), ("a is 12 not b", False), ("a a is 12 not b?", False)):
            self.assertEqual(sound(text, source), wanted, text)

    def choose(self, *rows: dict) -> list[dict]:
        # An h is what this judge does not like to read.
        judge = lambda latents, mask: (-4.0 * (latents[..., 3 + 7] > 0).sum(1).float(), None)  # noqa: E731
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            report = choose([path], judge, Letters(), out)
            pairs = [json.loads(line) for line in out.read_text().splitlines()]
            self.assertEqual((report["groups"], report["kept"]), (len(rows), len(pairs)))
        return pairs

    def test_it_takes_the_sound_one_that_is_nearest_to_the_reference(self):
        row = {"src": "a b c d", "trg": "a b e f", "candidates": ["a b c d", "a b d e", "a b e g", "c d a g"]}
        self.assertEqual(self.choose(row), [{"src": "a b c d", "trg": "a b e g"}])

    def test_not_the_one_that_reads_badly_though_it_is_nearer(self):
        row = {"src": "a b c d", "trg": "a b e f", "candidates": ["a b e h", "a b e c", "c d a g"]}
        self.assertEqual(self.choose(row)[0]["trg"], "a b e c")

    def test_nothing_where_nothing_is_sound_or_near(self):
        self.assertEqual(self.choose({"src": "a b c d", "trg": "a b e f", "candidates": ["a b c d", "a a b e"]}), [])
        self.assertEqual(self.choose({"src": "a b c d", "trg": "e f g h", "candidates": ["a b d c"]}), [])


if __name__ == "__main__":
    unittest.main()
