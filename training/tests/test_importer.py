"""Import of published folders, against an independent implementation (reference.py), and everything that it refuses."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import torch
from reference import SIZES, Reference, write_folder
from safetensors.torch import load_file

from tdi_training.importer import build_decoder, build_denoiser, import_command
from tdi_training.published import Refusal, read_published
from tdi_training.sample import sample, solver_coefficients
from tdi_training.schedule import NoiseSchedule

DECODER = "decoder-bert-128-transformer-conditional.pth"


class Marker:
    """Something that no checkpoint should hold."""


class Imports(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def refused(self, pattern: str, **options):
        with self.assertRaisesRegex(Refusal, pattern):
            read_published(self.folder, **options)

    def edit(self, change, name: str = "conditional.pth"):
        saved = torch.load(self.folder / name, weights_only=True)
        changed = change(saved)
        torch.save(saved if changed is None else changed, self.folder / name)

    def shadow(self, change):
        self.edit(lambda saved: (change(saved["ema"]["shadow_params"]), saved)[1])


class Reading(Imports):
    def test_the_modules_compute_what_the_reference_does(self):
        for seed, changes in enumerate(({}, {"num_hidden_layers": 6, "hidden_size": 24, "decoder_layers": 1, "use_self_cond": True, "tan_d": 7})):
            settings = write_folder(self.folder, seed, **changes)
            published = read_published(self.folder)
            self.assertEqual(published.notes, [])
            self.assertEqual((published.config.layers, published.config.schedule_d), (settings["num_hidden_layers"], settings["tan_d"]))
            v = load_file(self.folder / "vectors.safetensors")
            model, decoder = build_denoiser(published), build_decoder(published)
            with torch.no_grad():
                x0 = model(v["x_t"], v["t"], v["cond"], v["cond_mask"], v["self_cond"])
                logits = decoder(v["decoder.latents"], v["decoder.cond"], v["cond_mask"])
            torch.testing.assert_close(x0, v["x0"], rtol=0, atol=1e-4)
            torch.testing.assert_close(logits, v["decoder.logits"], rtol=0, atol=1e-4)
            steps = solver_coefficients("euler_sde", NoiseSchedule("tan", settings["tan_d"]), v["grid"])
            null = (v["null_cond"][:1], v["null_mask"][:1])
            final = sample(model, v["cond"], v["cond_mask"], settings["target_length"], steps, settings["cfg_coef"], null, noise=[v["init"], *v["noises"]])
            scale = float(v["sampler.euler_sde.guided.final"].abs().max())
            self.assertLess(float((final - v["sampler.euler_sde.guided.final"]).abs().max()) / scale, 1e-3)

    def test_the_order_of_the_nameless_list_is_checked_by_name(self):
        write_folder(self.folder)
        named = load_file(self.folder / "ema-named.safetensors")
        published = read_published(self.folder)
        self.assertTrue(torch.equal(published.denoiser["blocks.3.down.weight"], named["ema.encoder.output_blocks.1.output.dense.weight"]))
        self.shadow(lambda shadow: shadow.__setitem__(0, shadow[0] * 1.01))
        self.assertRegex(" ".join(read_published(self.folder).notes), "ema-named.safetensors names other weights")

    def test_a_denoiser_without_self_conditioning_adds_nothing(self):
        write_folder(self.folder)

        def drop(saved):
            names = [key for key, value in saved["model"].items() if value.is_floating_point()]
            kept = {name: value for name, value in zip(names, saved["ema"]["shadow_params"]) if "self_cond" not in name}
            return {**saved, "model": {name: saved["model"][name] for name in kept}, "ema": {"shadow_params": list(kept.values())}}

        self.edit(drop)
        self.refused("missing keys: encoder.self_cond_layers.0.weight")
        (self.folder / "config.json").write_text(json.dumps({**SIZES, "use_self_cond": False}))
        model = build_denoiser(read_published(self.folder))
        v = load_file(self.folder / "vectors.safetensors")
        with torch.no_grad():
            outputs = [model(v["x_t"], v["t"], v["cond"], v["cond_mask"], previous) for previous in (v["self_cond"], torch.zeros_like(v["x_t"]))]
        self.assertTrue(torch.equal(*outputs))


class Refusals(Imports):
    def setUp(self):
        super().setUp()
        write_folder(self.folder)

    def test_no_cross_attention(self):
        with self.assertRaises(Refusal) as caught:
            read_published(self.folder, checkpoint=self.folder / "no-crossattention.pth")
        message = str(caught.exception)
        self.assertIn("ignores its source", message)
        self.assertEqual(message.count(".crossattention."), 4 * 10)
        self.assertIn("encoder.output_blocks.1.crossattention.output.LayerNorm.bias", message)

    def test_a_decoder_without_cross_attention(self):
        self.edit(lambda saved: {"decoder": {k: v for k, v in saved["decoder"].items() if ".crossattention." not in k}}, DECODER)
        self.refused(f"{DECODER}: has no cross-attention.*blocks.0.crossattention.self.query.weight")

    def test_the_count_of_the_list(self):
        self.shadow(lambda shadow: shadow.pop())
        self.refused(r'EMA list has 124 tensors, "model" has 125 parameters')

    def test_a_shape_out_of_place(self):
        self.shadow(lambda shadow: shadow.insert(0, shadow.pop()))
        self.refused(r"EMA tensor 0 has shape \[16, 32\], but time_emb.0.weight at its place has \[64, 32\]")

    def test_weights_that_are_not_finite(self):
        self.shadow(lambda shadow: shadow[4].view(-1).__setitem__(3, float("nan")))
        self.refused(r"\(ema\): 1 weights are not finite: encoder.input_blocks.0.attention.self.query.weight")

    def test_decoder_weights_that_are_not_finite(self):
        self.edit(lambda saved: saved["decoder"]["fc.bias"].__setitem__(0, float("inf")), DECODER)
        self.refused("not finite: head.bias")

    def test_pickles_of_anything_else(self):
        for thing in (Marker(), print, Path("x")):
            with self.subTest(thing=str(thing)):
                torch.save({"model": {}, "ema": [], "extra": thing}, self.folder / "conditional.pth")
                self.refused("conditional.pth: holds something other than tensors and plain containers")

    def test_files_that_are_no_checkpoints(self):
        (self.folder / "conditional.pth").write_bytes(b"not a pickle")
        self.refused("conditional.pth: ")
        torch.save({"weights": {}}, self.folder / "conditional.pth")
        self.refused('has no entry "model"')
        (self.folder / "conditional.pth").unlink()
        self.refused("conditional.pth: there is no such file")

    def test_an_unknown_key(self):
        self.edit(lambda saved: {**saved, "model": {**saved["model"], "extra.weight": torch.ones(2)},
                                 "ema": {"shadow_params": [*saved["ema"]["shadow_params"], torch.ones(2)]}})
        self.refused("1 keys that this architecture does not have: extra.weight")

    def test_settings_that_do_not_fit_the_weights(self):
        for change, pattern in (({"hidden_size": 64}, "hidden_size is 64, but the weights have 32"), ({"decoder_layers": 3}, "decoder_layers is 3"),
                                ({"num_attention_heads": 5}, "does not divide"), ({"target_length": 17}, "16 position embeddings")):
            with self.subTest(change=change):
                (self.folder / "config.json").write_text(json.dumps({**SIZES, **change}))
                self.refused(pattern)
        without = {key: value for key, value in SIZES.items() if key != "tan_d"}
        (self.folder / "config.json").write_text(json.dumps(without))
        self.refused('has no "tan_d"')

    def test_statistics_that_cannot_be_divided_by(self):
        torch.save(torch.zeros(32), self.folder / "statistics" / "encodings-bert-std.pt")
        self.refused("a standard deviation is not positive")
        torch.save(torch.ones(31), self.folder / "statistics" / "encodings-bert-std.pt")
        self.refused("not one vector of 32 numbers")

    def test_two_decoders(self):
        (self.folder / "decoder-other.pth").write_bytes(b"")
        self.refused("2 files .* give --decoder")


VOCABULARY = 60


def tiny_encoder(folder: Path) -> None:
    """A BERT of the reference's width with random weights, and a WordPiece tokenizer that spells every English word."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), ".", ",", "?"]
    assert len(words) == VOCABULARY
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                         max_position_embeddings=64)).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)


class Serving(Imports):
    def test_with_an_encoder_the_bundle_is_one_to_serve(self):
        write_folder(self.folder / "in", vocab_size=VOCABULARY, max_position_embeddings=24, target_length=16, source_length=32)
        tiny_encoder(self.folder / "bert")
        options = dict(checkpoint=None, decoder=None, config=None, tokenizer=None, layer=-1, task="paraphrase", name="tiny", revision="1", licence="none", steps=4)
        import_command(SimpleNamespace(folder=str(self.folder / "in"), out=str(self.folder / "out"), encoder=str(self.folder / "bert"), **options))
        card = json.loads((self.folder / "out" / "bundle.json").read_text())
        self.assertNotIn("purpose", card)
        self.assertEqual(set(card["files"]), {"encoder", "condition", "denoiser", "decoder", "tokenizer"})
        self.assertLess(card["parity"]["fp32_max_abs_error"], 1e-3)
        with self.assertRaisesRegex(Refusal, "32 wide|give --encoder"):
            (self.folder / "in" / "vectors.safetensors").unlink()
            import_command(SimpleNamespace(folder=str(self.folder / "in"), out=str(self.folder / "out"), encoder=None, **options))


if __name__ == "__main__":
    unittest.main()
