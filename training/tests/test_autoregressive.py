"""The autoregressive baseline: its cache, its pointer, its search, and what is distilled from it."""

from __future__ import annotations

import dataclasses
import unittest
from types import SimpleNamespace

import torch

from tdi_training.autoregressive import AutoregressiveDecoder
from tdi_training.config import PRESETS
from tdi_training.denoiser import mask_bias
from tdi_training.distil import choose
from tdi_training.encoder import spelled
from tdi_training.search import beam_search

CONFIG = dataclasses.replace(PRESETS["compact-qqp"], hidden=48, heads=4, ffn=96, layers=2)
CLS, SEP, VOCABULARY = 1, 2, 40


def small_model(seed: int = 0) -> AutoregressiveDecoder:
    torch.manual_seed(seed)
    model = AutoregressiveDecoder(CONFIG, torch.randn(VOCABULARY, CONFIG.hidden)).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return model


def inputs(rows: int = 3, width: int = 7):
    generator = torch.Generator().manual_seed(1)
    source = torch.randn(rows, width, CONFIG.hidden, generator=generator)
    mask = (torch.arange(width)[None] < torch.tensor([width, 5, 3])[:rows, None]).float()
    return source, mask, torch.randint(3, VOCABULARY, (rows, width), generator=generator)


class Model(unittest.TestCase):
    @torch.no_grad()
    def test_cached_steps_give_the_likelihood_of_the_whole_text(self):
        model, (source, mask, source_ids) = small_model(), inputs()
        ids = torch.tensor([[CLS, 9, 8, 7, SEP], [CLS, 30, 31, SEP, 0], [CLS, 3, SEP, 0, 0]])
        whole = float(model.loss(ids, source, mask, source_ids, pad=0))
        cross, bias, past, total = model.keys_values(source), mask_bias(mask), None, 0.0
        for i in range(ids.shape[1] - 1):
            h, past = model.states(ids[:, i : i + 1], cross, bias, past)
            step = model.log_probabilities(h, cross, bias, source_ids)
            torch.testing.assert_close(step.exp().sum(-1), torch.ones(3), rtol=1e-4, atol=1e-4)
            wanted = ids[:, i + 1]
            total -= float(step.gather(1, wanted[:, None])[wanted != 0].sum())
        self.assertAlmostEqual(whole, total / int((ids[:, 1:] != 0).sum()), places=4)

    @torch.no_grad()
    def test_masked_source_tokens_are_never_copied(self):
        model, (source, mask, source_ids) = small_model(), inputs()
        cross, bias = model.keys_values(source), mask_bias(mask)
        h, _ = model.states(torch.full((3, 1), CLS), cross, bias)
        self.assertEqual(float(model.pointer(h, cross, bias)[2, 0, 3:].sum()), 0.0)


class Search(unittest.TestCase):
    def test_a_beam_scores_its_hypotheses_as_the_model_does_and_finds_no_worse_than_greedy(self):
        model, (source, mask, source_ids) = small_model(3), inputs()
        greedy = beam_search(model, source, mask, source_ids, CLS, SEP, limit=8, beams=1)
        wide = beam_search(model, source, mask, source_ids, CLS, SEP, limit=8, beams=16)
        for row in range(3):
            self.assertGreaterEqual(wide[row][0][0] + 1e-4, greedy[row][0][0])
            score, ids = wide[row][0]
            self.assertLessEqual(len(ids) + 2, 8)
            with torch.no_grad():
                nll = model.loss(torch.tensor([[CLS, *ids, SEP]]), source[row : row + 1], mask[row : row + 1], source_ids[row : row + 1], pad=0)
            n = len(ids) + 1
            self.assertAlmostEqual(score, -float(nll) * n / n**0.7, places=3)

    def test_in_bf16_the_same_hypotheses_score_nearly_the_same(self):
        model, (source, mask, source_ids) = small_model(3), inputs()
        exact = beam_search(model, source, mask, source_ids, CLS, SEP, limit=8, beams=8)
        rough = beam_search(model.bfloat16(), source, mask, source_ids, CLS, SEP, limit=8, beams=8)
        for mine, its in zip(exact, rough):
            wanted = {tuple(ids): score for score, ids in mine}
            shared = [(wanted[tuple(ids)], score) for score, ids in its if tuple(ids) in wanted]
            self.assertGreater(len(shared), 2)
            for a, b in shared:
                self.assertAlmostEqual(a, b, delta=0.05)

    def test_rows_do_not_depend_on_their_batch(self):
        model, (source, mask, source_ids) = small_model(), inputs()
        together = beam_search(model, source, mask, source_ids, CLS, SEP, limit=8, beams=3)
        alone = beam_search(model, source[1:2], mask[1:2], source_ids[1:2], CLS, SEP, limit=8, beams=3)
        self.assertEqual([ids for _, ids in together[1]], [ids for _, ids in alone[0]])


class Spelled(unittest.TestCase):
    def test_a_word_and_its_ending_are_joined_and_a_quotation_is_not(self):
        tokenizer = SimpleNamespace(decode=lambda ids, skip_special_tokens: " ".join(ids))
        self.assertEqual(spelled(tokenizer, "why don ' t they say ' no ' to what ' s new ?".split()), "why don't they say ' no ' to what's new ?")


class Distillation(unittest.TestCase):
    def test_copies_are_never_chosen_and_the_weight_turns_from_score_to_reference(self):
        source, reference = [5, 6, 7, 8], [5, 6, 9, 8]
        hypotheses = [(-0.1, source), (-0.2, [5, 6, 7, 9]), (-0.3, [5, 6, 9, 8]), (-0.4, [20, 21])]
        self.assertEqual(choose(hypotheses, source, reference, 0.4, 0.9, 0.0), [5, 6, 7, 9])
        self.assertEqual(choose(hypotheses, source, reference, 0.4, 0.9, 1.0), [5, 6, 9, 8])
        self.assertIsNone(choose([(-0.1, source)], source, reference, 0.4, 0.9, 1.0))
        self.assertEqual(choose([(-0.1, [5, 6, 7]), (-0.9, [5, 6, 7, 9])], source, reference, 0.4, 0.9, 0.0, shortest=0.8), [5, 6, 7, 9])


if __name__ == "__main__":
    unittest.main()
