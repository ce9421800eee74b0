"""The shipped decoder, taken back from its graph and put in its own place."""

import shutil
import tempfile
import unittest
from pathlib import Path

from tdi_training.config import load_config
from tdi_training.recover import recover
from tdi_training.replace import replace_decoder

MODELS = Path(__file__).parents[2] / "models"


class Replace(unittest.TestCase):
    def test_a_recovered_decoder_comes_out_as_it_was(self):
        with tempfile.TemporaryDirectory() as scratch:
            models, out = Path(scratch) / "models", Path(scratch) / "recovered"
            shutil.copytree(MODELS, models)
            recover(models / "qqp-paraphrase", load_config("compact-qqp"), out)
            report = replace_decoder(models, out / "decoder.pt", out / "stats.npz")
            for name in ("decoder.onnx", "decoder_shortlist.onnx"):
                self.assertEqual((models / "shared" / name).read_bytes(), (MODELS / "shared" / name).read_bytes(), name)
            self.assertEqual(report["fp32_tokens_equal"], 1.0)
            self.assertLess(report["fp32_max_probability_error"], 1e-3)


if __name__ == "__main__":
    unittest.main()
