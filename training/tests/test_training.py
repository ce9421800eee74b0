"""python -m unittest discover -s tests (from training/). Fast; needs training/requirements.txt."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import json
import tempfile
import types
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

from tdi_training.batches import Batch, BatchOptions, BatchStream, ResidentPairs
from tdi_training.config import PRESETS
from tdi_training.data import PackedPairs, prepare
from tdi_training.decoder import Decoder, begin_with_a_word
from tdi_training.denoiser import CopyHead, Denoiser
from tdi_training.encoder import FrozenEncoder, encode_folder
from tdi_training.mine import mine
from tdi_training.optim import build_optimisers
from tdi_training.quantise import quantise_matmuls
from tdi_training.reading import LEAST_COUNT, ReadingLoss
from tdi_training.sample import SOLVERS, led_away, sample, solver_coefficients
from tdi_training.schedule import NoiseSchedule, time_grid
from tdi_training.shared import Shared, Worker, shards
from tdi_training.train import TrainOptions, autoencode_share
from tdi_training.unroll import unroll

ROWS = [("How do I bake bread at home?", "What is a simple way to bake bread?"), ("Why is the sky blue?", "Why is the sky blue ?"),
        ("What is love?", "word " * 60), ("long " * 80, "A short one?")]


class Data(unittest.TestCase):
    def test_prepare_reports_what_it_cuts_and_drops(self):
        encoder = FrozenEncoder("all-MiniLM-L6-v2", 1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl.gz"
            with gzip.open(path, "wt") as out:
                out.writelines(json.dumps({"src": s, "trg": t}) + "\n" for s, t in ROWS)
            report = prepare([path], Path(folder) / "packed", encoder.tokenizer, 48, 32, 0.9)
            self.assertEqual((report["rows_kept"], report["dropped_long_target"], report["dropped_near_copy"], report["sources_cut"]), (2, 1, 1, 1))
            data = PackedPairs(Path(folder) / "packed")
            self.assertEqual(data.tokens("src", 0).tolist(), encoder.tokenizer(ROWS[0][0])["input_ids"])
            self.assertEqual(data.batch_tokens("trg", np.array([0, 1]), 16, encoder.pad_id).shape, (2, 16))
            pairs = ResidentPairs(data, torch.device("cpu"), encoder)
            stream = BatchStream([(pairs, 1.0)], (16, 24), 48, BatchOptions(batch=2), encoder.tokenizer("")["input_ids"], 0)
            batch = stream.draw()
            self.assertEqual(batch.target.shape[0], 2)
            self.assertIn(batch.target.shape[1], (16, 24))


class Latents(unittest.TestCase):
    def test_special_tokens_are_overwritten_after_normalising(self):
        encoder = FrozenEncoder("all-MiniLM-L6-v2", 2)
        encoder.mean.fill_(0.3)
        ids = encoder.tokenizer(["a cat", "a much longer cat"], padding=True, return_tensors="pt")["input_ids"]
        z = encoder(ids)
        cls = encoder.word_embeddings[ids[0, 0]]
        torch.testing.assert_close(z[0, 0], cls / cls.norm() * encoder.hidden**0.5)
        self.assertEqual(float(z[0, -1].abs().sum()), 0.0)


class Sampling(unittest.TestCase):
    def test_log_snr_is_inverted(self):
        for name in ("tan", "sqrt", "cosine"):
            schedule = NoiseSchedule(name, 7.0)
            wanted = torch.tensor([-5.0, -1.0, 2.0], dtype=torch.float64)
            alpha = schedule.alpha(schedule.time_of_log_snr(wanted))
            torch.testing.assert_close(torch.log(alpha / (1 - alpha)), wanted, rtol=1e-4, atol=1e-4)

    def test_every_solver_runs_and_guidance_changes_the_result(self):
        torch.manual_seed(0)
        config = PRESETS["compact-qqp"]
        model = Denoiser(config).eval()
        schedule = NoiseSchedule(config.schedule, config.schedule_d)
        source, mask = torch.randn(2, 9, 384), torch.ones(2, 9)
        null = (torch.randn(1, 2, 384), torch.ones(1, 2))
        for solver in SOLVERS:
            steps = solver_coefficients(solver, schedule, time_grid(3, schedule, "logsnr"))
            out = [sample(model, source, mask, 16, steps, w, null, generator=torch.Generator().manual_seed(1)) for w in (0.0, 2.0)]
            self.assertTrue(torch.isfinite(out[0]).all())
            self.assertFalse(torch.equal(out[0], out[1]))

    def test_novelty_takes_the_source_out_of_a_prediction(self):
        z, other, mask = torch.randn(1, 3, 4), torch.randn(1, 5, 4), torch.tensor([[1.0, 1.0, 0.0]])
        copy = torch.cat([z[:, :2], torch.zeros(1, 3, 4)], 1)
        torch.testing.assert_close(led_away(0.3 * copy + 0.7 * other, z, mask, 0.3), other)
        torch.testing.assert_close(led_away(copy, z, mask, 0.3), copy)

    def test_autoencoding_fades_to_its_floor(self):
        o = TrainOptions(autoencode=0.5, autoencode_floor=0.1)
        self.assertEqual([autoencode_share(p, o) for p in (0.0, 0.25, 0.5, 1.0)], [1.0, 0.5, 0.1, 0.1])


class Mining(unittest.TestCase):
    def test_pairs_come_from_the_graph_and_stay_in_their_band(self):
        encoder = FrozenEncoder("all-MiniLM-L6-v2", 1)
        a, b, c, d = "How do I bake good bread?", "How can I bake good bread?", "How can I bake bread at home?", "What is yeast for?"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            path.write_text("".join(json.dumps({"src": s, "trg": t}) + "\n" for s, t in ((a, b), (b, c), (c, d))))
            report = mine([path], Path(folder) / "pairs", encoder.tokenizer, (0.5, 0.95), (0.6, 0.95), 48, 32)
            self.assertEqual((report["texts"], report["kept_direct"], report["kept_mined"]), (4, 2, 1))  # c-d is too far apart
            data = PackedPairs(Path(folder) / "pairs")
            encode_folder(encoder, data)
            self.assertTrue(data.load_encodings())
            resident = ResidentPairs(data, torch.device("cpu"), encoder)
            for row in range(len(data)):
                for side in ("src", "trg"):
                    ids, z = resident.gather(side, torch.tensor([row]), 16)
                    self.assertEqual(ids[0, : data.lengths(side)[row]].tolist(), data.tokens(side, row).tolist())
                    torch.testing.assert_close(z, encoder(ids), rtol=0, atol=0.01)


class SharedWeights(unittest.TestCase):
    def test_shards_hold_every_parameter_once(self):
        model = Denoiser(PRESETS["compact-qqp"])
        named = list(model.named_parameters())
        first, second = shards(named, 2)
        self.assertEqual(first | second, {name for name, _ in named})
        self.assertFalse(first & second)

    def test_gradients_are_averaged_and_clipped_over_all_workers(self):
        model = torch.nn.Linear(4, 3)
        shared = Shared.create(model, copy.deepcopy(model), 2)
        shared.barrier = None  # one process plays both workers, one after the other
        workers = [Worker(shared, rank, 2) for rank in range(2)]
        for rank, value in ((0, 1.0), (1, 3.0)):
            for g in shared.gradients[rank]:
                g.fill_(value)
        averages = {}
        for worker in workers:
            worker.combine(clip=1e9)
            averages |= {i: shared.gradients[worker.rank][i].unique().tolist() for i in worker.indices}
        self.assertEqual(averages, {0: [2.0], 1: [2.0]})
        self.assertAlmostEqual(float(shared.norms.sum()), 15 * 4.0, places=4)


class Copying(unittest.TestCase):
    def test_an_open_gate_and_sharp_attention_copy_the_source(self):
        head = CopyHead(384, 12, 7)
        head.start()
        with torch.no_grad():
            head.gate.bias.fill_(50.0)
            head.query.weight.mul_(100)
            head.positions.weight.zero_()
        source = torch.randn(2, 7, 384)
        out = head(torch.zeros(2, 7, 384), source, head.keys_values(source), None)
        torch.testing.assert_close(out, source, rtol=1e-4, atol=1e-4)


class Unrolling(unittest.TestCase):
    def test_rows_are_noised_from_the_draft_up_to_a_level_and_from_the_truth_beyond(self):
        schedule = NoiseSchedule("tan", 7.0)
        x0 = torch.zeros(2, 3, 4)
        alpha = torch.sigmoid(torch.tensor([0.5, 6.0]))
        asked = []

        def predict(x, t):
            asked.append(torch.logit(schedule.alpha(t).double()))
            return torch.full_like(x, 50.0)

        x, draft = unroll(predict, x0, alpha, schedule, jump=(2.0, 2.0))
        torch.testing.assert_close(asked[0].float(), torch.tensor([-1.5, 4.0]), rtol=1e-3, atol=1e-3)
        self.assertTrue((x[0] > 20).all() and (x[1].abs() < 5).all())
        self.assertTrue((draft == 50.0).all())


class Reading(unittest.TestCase):
    def test_every_parameter_of_a_decoder_has_one_optimiser_an_mlp_too(self):
        for layers in (0, 1):
            config = dataclasses.replace(PRESETS["compact-qqp"], decoder_layers=layers)
            decoder = Decoder(config, 50, torch.zeros(50, config.hidden))
            held = [id(p) for opt in build_optimisers(decoder, "muon", 1e-3, 0.02) for group in opt.param_groups for p in group["params"]]
            self.assertEqual(sorted(held), sorted(id(p) for p in decoder.parameters()))

    def test_the_loss_of_what_is_read_is_that_of_the_target_among_frequent_tokens(self):
        encoder = FrozenEncoder("all-MiniLM-L6-v2", 1)
        config = dataclasses.replace(PRESETS["compact-qqp"], decoder_layers=1)
        torch.manual_seed(0)
        decoder = Decoder(config, encoder.vocabulary, encoder.word_embeddings)
        ids = torch.tensor([[101, 2129, 2079, 102, 0], [101, 2129, 102, 0, 0]])
        texts = types.SimpleNamespace(ids={"src": np.repeat(np.array([101, 102, 2129], np.uint16), LEAST_COUNT)})
        reading = ReadingLoss(decoder, encoder, [texts])
        self.assertEqual(reading.frequent.tolist(), [101, 102, 2129])
        source = torch.randn(2, 4, 384)
        batch = Batch(torch.zeros(2, 5, 384), source, torch.ones(2, 4), ids, ids)
        guess = torch.randn(2, 5, 384, requires_grad=True)
        loss = reading(guess, batch)
        among = torch.tensor([101, 102, 2079, 2129])  # what is frequent, and what is asked for
        with torch.no_grad():
            logits = decoder(encoder.denormalise(guess), encoder.denormalise(source), batch.mask)[..., among]
        told = ids != 0
        torch.testing.assert_close(loss.detach(), torch.nn.functional.cross_entropy(logits[told], torch.searchsorted(among, ids[told])), rtol=1e-4, atol=1e-4)
        loss.backward()
        self.assertGreater(float(guess.grad.abs().max()), 0)
        self.assertTrue(all(not p.requires_grad and p.grad is None for p in decoder.parameters()))

    def test_a_text_begins_with_a_word_whatever_the_decoder_says(self):
        special = torch.tensor([True, True, False, False])
        logits = torch.tensor([[[9.0, 0, 0, 0, 0], [9.0, 8, 1, 2, 0], [9.0, 0, 0, 0, 0]]])
        self.assertEqual(begin_with_a_word(logits, special).argmax(-1).tolist(), [[0, 3, 0]])


class Quantisation(unittest.TestCase):
    def test_a_row_does_not_depend_on_an_outlier(self):
        rng = np.random.default_rng(0)
        w = rng.normal(size=(128, 96)).astype(np.float32)
        graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
                                  [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5, 128])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5, 96])], [numpy_helper.from_array(w, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        self.assertEqual(quantise_matmuls(model), 1)
        onnx.checker.check_model(model)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        x = rng.normal(size=(2, 5, 128)).astype(np.float32)
        alone = session.run(None, {"x": x[:1]})[0]
        x[1] *= 1000
        beside = session.run(None, {"x": x})[0]
        self.assertTrue(np.array_equal(alone[0], beside[0]))
        self.assertLess(np.abs(alone[0] - x[0] @ w).max(), 0.6)
        self.assertGreater(np.abs(alone[0] - x[0] @ w).max(), 0.0)


if __name__ == "__main__":
    unittest.main()
