"""The k-step form of the denoiser graph against single steps; on the server's own tiny graphs, so without any training."""

from __future__ import annotations

import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from tdi_training.loop import loop_graph

GRAPHS = Path(__file__).parents[2] / "tests" / "fixtures" / "graphs"
ROWS, STEPS, CANVAS, SOURCE, HIDDEN, LAYERS, HEADS = 3, 4, 5, 6, 16, 2, 2


class Loop(unittest.TestCase):
    def test_k_steps_in_one_call_are_k_calls(self):
        step = onnx.load(str(GRAPHS / "denoiser.onnx"))
        loop = loop_graph(step)
        self.assertEqual(loop.SerializeToString(deterministic=True), (GRAPHS / "denoiser_loop.onnx").read_bytes())
        one, many = (ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]) for m in (step, loop))
        rng = np.random.default_rng(0)
        draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
        fixed = {"keys": draw(ROWS, LAYERS, HEADS, SOURCE, HIDDEN // HEADS), "values": draw(ROWS, LAYERS, HEADS, SOURCE, HIDDEN // HEADS),
                 "bias": np.zeros((ROWS, SOURCE), np.float32), "positive": np.array([0, 1, 0]), "negative": np.array([2, 1, 2]),
                 "guidance": np.array([0.5, 0.0, 0.5], np.float32)}
        t, coefficients, noise = rng.uniform(size=(STEPS, ROWS)).astype(np.float32), 0.5 * draw(STEPS, ROWS, 6), draw(STEPS, ROWS, CANVAS, HIDDEN)
        start = {"x": draw(ROWS, CANVAS, HIDDEN), "previous": np.zeros((ROWS, CANVAS, HIDDEN), np.float32)}
        x, previous = start["x"], start["previous"]
        for i in range(STEPS):
            x, previous = one.run(None, {**fixed, "x": x, "previous": previous, "t": t[i], "coefficients": coefficients[i], "noise": noise[i]})
        looped = many.run(None, {**fixed, **start, "t": t, "coefficients": coefficients, "noise": noise})
        np.testing.assert_array_equal(looped[0], x)
        np.testing.assert_array_equal(looped[1], previous)

    def test_a_row_that_is_done_keeps_its_state(self):
        many = ort.InferenceSession(str(GRAPHS / "denoiser_loop.onnx"), providers=["CPUExecutionProvider"])
        x = np.random.default_rng(1).normal(size=(1, CANVAS, HIDDEN)).astype(np.float32)
        zeros = np.zeros((1, LAYERS, HEADS, SOURCE, HIDDEN // HEADS), np.float32)
        idle = np.tile(np.array([[1, 0, 0, 0, 0, 1]], np.float32), (2, 1, 1))
        out = many.run(None, {"x": x, "previous": x, "t": np.ones((2, 1), np.float32), "keys": zeros, "values": zeros, "bias": np.zeros((1, SOURCE), np.float32),
                              "coefficients": idle, "noise": np.zeros((2, 1, CANVAS, HIDDEN), np.float32), "positive": np.array([0]),
                              "negative": np.array([0]), "guidance": np.zeros(1, np.float32)})
        np.testing.assert_array_equal(out[0], x)


if __name__ == "__main__":
    unittest.main()
