"""The shortlist decoder against the shipped decoder, on latents of texts."""

import json
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from tdi_training.encoder import load_tokenizer
from tdi_training.shortlist import frequent_tokens, shortlisted

MODELS = Path(__file__).parents[2] / "models"
DECODER = MODELS / "shared" / "decoder.onnx"
SPECIAL = json.loads((MODELS / "qqp-paraphrase" / "bundle.json").read_text())["tokens"]["special"]
VOCABULARY = 30522


def session(model: Path | onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if isinstance(model, Path):
        return onnxruntime.InferenceSession(str(model), options)
    # Weights are found beside the decoder.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(DECODER.parent))
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


class Shortlist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tokenizer = load_tokenizer("all-MiniLM-L6-v2")
        cls.encoder = session(MODELS / "shared" / "encoder.onnx")
        cls.full = session(DECODER)

    def feeds(self, source: str, text: str) -> dict[str, np.ndarray]:
        ids, target = (np.array([self.tokenizer(t)["input_ids"]]) for t in (source, text))
        states, x = (self.encoder.run(None, {"ids": i, "mask": np.ones(i.shape, np.float32)})[0] for i in (ids, target))
        return {"x": x, "states": states, "bias": np.zeros(ids.shape, np.float32), "ids": ids}

    def read(self, kept: np.ndarray, feeds: dict, bonus: float = 0.0) -> tuple[list[int], np.ndarray]:
        ids, probability = session(shortlisted(DECODER, kept, SPECIAL, bonus)).run(None, feeds)
        return ids[0].tolist(), probability[0]

    def full_read(self, feeds: dict) -> tuple[list[int], np.ndarray]:
        ids, probability = self.full.run(None, {k: v for k, v in feeds.items() if k != "ids"})
        return ids[0].tolist(), probability[0]

    def without(self, *words: str) -> np.ndarray:
        dropped = self.tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]
        return np.setdiff1d(np.arange(VOCABULARY), dropped).astype(np.int64)

    def test_all_kept_is_the_decoder(self):
        feeds = self.feeds("Why do cats purr when they sleep?", "Why does a cat purr in its sleep?")
        (ids, probability), (expected, wanted) = self.read(np.arange(VOCABULARY, dtype=np.int64), feeds), self.full_read(feeds)
        self.assertEqual(ids, expected)
        np.testing.assert_allclose(probability, wanted, rtol=2e-4)

    def test_a_rare_word_of_the_source_is_read_and_counted_once(self):
        feeds = self.feeds("Uppsala is old, is Uppsala large?", "How large is Uppsala?")
        (ids, probability), (expected, wanted) = self.read(self.without("uppsala"), feeds), self.full_read(feeds)
        self.assertEqual(ids, expected)
        np.testing.assert_allclose(probability, wanted, rtol=2e-4)

    def test_a_rare_word_that_the_source_has_not_is_never_read(self):
        feeds = self.feeds("How large is that town?", "How large is Helsinki?")
        helsinki = self.tokenizer("helsinki", add_special_tokens=False)["input_ids"]
        self.assertEqual(len(helsinki), 1)
        self.assertIn(helsinki[0], self.full_read(feeds)[0])
        self.assertNotIn(helsinki[0], self.read(self.without("helsinki"), feeds)[0])

    def test_a_bonus_raises_the_rare_words_of_the_source_alone(self):
        feeds = self.feeds("How large is Uppsala?", "How large is Stockholm?")
        kept = self.without("uppsala")
        town = self.tokenizer("uppsala", add_special_tokens=False)["input_ids"][0]
        self.assertNotIn(town, self.read(kept, feeds)[0])
        self.assertEqual(set(self.read(kept, feeds, bonus=1000.0)[0]), {town})
        everything = np.arange(VOCABULARY, dtype=np.int64)
        self.assertEqual(self.read(everything, feeds, bonus=1000.0)[0], self.read(everything, feeds)[0])

    def test_the_first_place_holds_a_word(self):
        feeds = self.feeds("How large is Uppsala?", "")
        ids, _ = self.read(self.without("uppsala"), feeds)
        self.assertNotIn(ids[1], SPECIAL)

    def test_weights_stay_in_the_decoders_file(self):
        model = shortlisted(DECODER, self.without("uppsala"), SPECIAL)
        self.assertLess(len(model.SerializeToString()), DECODER.stat().st_size / 4)

    def test_frequent_tokens(self):
        counts = [(np.array([5, 0, 9, 1]), 5), (np.array([0, 0, 0, 7]), 6)]
        self.assertEqual(frequent_tokens(counts, [1]).tolist(), [0, 1, 2, 3])
        self.assertEqual(frequent_tokens(counts[:1], []).tolist(), [0, 2])


if __name__ == "__main__":
    unittest.main()
