"""Low-rank adapters: that they start from the model as it is, leave it as it is, and come out of a bundle's graphs as they went in."""

from __future__ import annotations

import dataclasses
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import torch

from tdi_training.adapted import adapted_graph
from tdi_training.adapters import adapt, adapters_of, merged
from tdi_training.config import PRESETS
from tdi_training.denoiser import Denoiser
from tdi_training.export import open_session
from tdi_training.graphs import ConditionGraph, _write
from tdi_training.quantise import store_int8, strip_metadata
from tdi_training.recover import named_weights

CONFIG = dataclasses.replace(PRESETS["compact-qqp"], hidden=96, heads=4, ffn=128, layers=2)


def inputs(seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(3, 8, 96, generator=g), torch.rand(3, generator=g), torch.randn(3, 6, 96, generator=g), torch.ones(3, 6), torch.randn(3, 8, 96, generator=g))


def trained(model: Denoiser) -> None:
    """A few steps on noise, so that no adapter is zero any more."""
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=0.01)
    for step in range(3):
        optimiser.zero_grad()
        model(*inputs(step)).pow(2).mean().backward()
        optimiser.step()


class AdaptersTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.base = Denoiser(CONFIG)
        with torch.no_grad():
            for name, p in self.base.named_parameters():  # equal ones would be stored once, and a matrix is known by its bias
                if name.endswith(".bias"):
                    p.normal_(std=0.02)
        self.model = Denoiser(CONFIG)
        self.model.load_state_dict(self.base.state_dict())
        adapt(self.model, 4)

    def test_they_begin_as_the_model_and_change_nothing_of_it(self):
        with torch.no_grad():
            self.assertTrue(torch.equal(self.model(*inputs()), self.base(*inputs())))
        trained(self.model)
        weights = self.model.state_dict()
        for name, value in self.base.state_dict().items():
            self.assertTrue(torch.equal(weights[name], value), name)
        with torch.no_grad():
            self.assertGreater((self.model(*inputs()) - self.base(*inputs())).abs().max(), 1e-3)

    def test_merged_they_are_the_same_model(self):
        trained(self.model)
        whole = Denoiser(CONFIG)
        whole.load_state_dict(merged(self.model.state_dict()))
        with torch.no_grad():
            self.assertLess((whole(*inputs()) - self.model(*inputs())).abs().max(), 1e-4)

    def test_a_graph_with_them_points_into_the_file_that_was_there(self):
        trained(self.model)
        adapters = adapters_of(self.model.state_dict())
        states = inputs()[2]
        rows, width = torch.export.Dim("rows", max=4096), torch.export.Dim("source", max=48)
        with tempfile.TemporaryDirectory() as folder:
            path = _write("condition", (ConditionGraph(self.base), (states,), ["states"], ["keys", "values"], [{0: rows, 1: width}]), Path(folder))
            stored = onnx.load(str(path))
            store_int8(stored)
            strip_metadata(stored)
            base = Path(folder) / "condition_base.onnx"
            base.write_bytes(stored.SerializeToString(deterministic=True))
            model, found = adapted_graph(base, adapters, base.name)
            self.assertEqual(found, {name for name in adapters if name.endswith((".crossattention.key", ".crossattention.value", "copy.key"))})
            path.write_bytes(model.SerializeToString(deterministic=True))
            self.assertLess(path.stat().st_size, base.stat().st_size / 2)
            # Those of the shipped int8 matrices, on which the adapters stand.
            exact = {name: value for name, value in named_weights(base, "denoiser").items() if name.endswith(".weight")}
            kept = named_weights(path, "denoiser")
            for name in found:
                down, up = adapters[name]
                wanted = exact[f"{name}.weight"] + up @ down
                self.assertLess((kept[f"{name}.weight"] - wanted).abs().max(), 0.02 * (up @ down).abs().max(), name)
            got = open_session(path).run(None, {"states": states.numpy()})
            before = open_session(base).run(None, {"states": states.numpy()})
            with torch.no_grad():
                pairs = self.model.keys_values(states)
            error = np.abs(got[0] - torch.stack([k for k, _ in pairs], 1).numpy()).max()
            self.assertLess(error, 0.1 * np.abs(got[0] - before[0]).max())


if __name__ == "__main__":
    unittest.main()
