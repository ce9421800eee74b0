"""Writes the tiny graphs of tests/fixtures/graphs: python tests/make_test_graphs.py (from training/). A denoiser of two blocks
of random weights, as one step and as a loop of steps; the server's tests hold the two against each other."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tdi_training.config import ModelConfig  # noqa: E402
from tdi_training.denoiser import Denoiser  # noqa: E402
from tdi_training.graphs import StepGraph  # noqa: E402
from tdi_training.loop import write_loop  # noqa: E402
from tdi_training.quantise import strip_metadata  # noqa: E402

CONFIG = ModelConfig(hidden=16, heads=2, ffn=32, layers=2, max_positions=8)


def main(folder: Path) -> None:
    torch.manual_seed(1)
    denoiser = Denoiser(CONFIG).eval()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    b, n, s, h = 2, 4, 3, CONFIG.hidden
    dim = torch.export.Dim
    rows, canvas, source = dim("rows", max=4096), dim("canvas", max=CONFIG.max_positions), dim("source", max=512)
    x, index = torch.randn(b, n, h), torch.arange(b)
    kv = torch.randn(b, CONFIG.layers, CONFIG.heads, s, h // CONFIG.heads)
    args = (x, x, torch.rand(b), kv, kv, torch.zeros(b, s), torch.randn(b, 6), x, index, index, torch.zeros(b))
    names = ["x", "previous", "t", "keys", "values", "bias", "coefficients", "noise", "positive", "negative", "guidance"]
    by_canvas, by_source = {0: rows, 1: canvas}, {0: rows, 3: source}
    shapes = [by_canvas, by_canvas, {0: rows}, by_source, by_source, {0: rows, 1: source}, {0: rows}, by_canvas, {0: rows}, {0: rows}, {0: rows}]
    program = torch.onnx.export(StepGraph(denoiser), tuple(a.clone() for a in args), dynamo=True, opset_version=20, input_names=names,
                                output_names=["x_next", "x0"], dynamic_shapes=shapes, optimize=True, verbose=False)
    folder.mkdir(parents=True, exist_ok=True)
    step = folder / "denoiser.onnx"
    program.save(str(step), external_data=False)
    model = onnx.load(str(step))
    strip_metadata(model)
    step.write_bytes(model.SerializeToString(deterministic=True))
    write_loop(step, folder / "denoiser_loop.onnx")


if __name__ == "__main__":
    main(Path(__file__).parents[2] / "tests" / "fixtures" / "graphs")
