"""A graph whose matrices of single rows are unpacked at load is the graph that it was made from."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tdi_training.export import open_session
from tdi_training.fold import folded
from tdi_training.quantise import as_int8, store_int8
from tdi_training.recover import named_weights

WIDTH = 64


def graph(stored: bool) -> onnx.ModelProto:
    """tokens [1, n, 64] times a matrix, plus a row [1, 64] times another."""
    random = np.random.default_rng(0)
    token, row = (random.standard_normal((WIDTH, WIDTH)).astype(np.float32) for _ in range(2))
    bias = random.standard_normal(WIDTH).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["tokens", "token"], ["product"]), helper.make_node("Add", ["product", "denoiser.first.bias"], ["first"]),
             helper.make_node("Gemm", ["row", "row_weight", "denoiser.time.bias"], ["second"], transB=1), helper.make_node("Add", ["first", "second"], ["out"])]
    held = [numpy_helper.from_array(each, name) for each, name in ((token, "token"), (row, "row_weight"), (bias, "denoiser.first.bias"), (bias, "denoiser.time.bias"))]
    if stored:  # as bundles were exported before: both are left to the runtime
        unpacking = []
        for name, matrix, axis in (("token", token, 1), ("row_weight", row, 0)):
            tensors, node = as_int8(matrix, axis, name)
            held = [each for each in held if each.name != name] + tensors
            unpacking.append(node)
        for node in nodes:
            node.input[:] = [f"{name}_float" if name in ("token", "row_weight") else name for name in node.input]
        nodes = [*unpacking, *nodes]
    floats = lambda name, *dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    made = helper.make_graph(nodes, "g", [floats("tokens", 1, "n", WIDTH), floats("row", 1, WIDTH)], [floats("out", 1, "n", WIDTH)], held)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


class Folding(unittest.TestCase):
    def test_it_points_into_the_file_that_was_there_and_computes_the_same(self):
        feeds = {"tokens": np.sin(np.arange(3 * WIDTH, dtype=np.float32)).reshape(1, 3, WIDTH), "row": np.cos(np.arange(WIDTH, dtype=np.float32))[None]}
        with tempfile.TemporaryDirectory() as folder:
            base, path = Path(folder) / "base.onnx", Path(folder) / "denoiser.onnx"
            base.write_bytes(graph(stored=True).SerializeToString())
            path.write_bytes(folded(base.read_bytes(), base.name).SerializeToString())
            self.assertLess(path.stat().st_size, base.stat().st_size / 2)
            before, after = (open_session(each).run(None, feeds)[0] for each in (base, path))
            np.testing.assert_array_equal(before, after)
            close = open_session(path, products="int8").run(None, feeds)[0]
            self.assertFalse(np.array_equal(before, close), "activations are rounded")
            np.testing.assert_allclose(before, close, atol=0.02 * np.abs(before).max())
            old, new = named_weights(base, "denoiser"), named_weights(path, "denoiser")
            self.assertEqual(sorted(old), sorted(new))
            for name in old:
                np.testing.assert_array_equal(old[name].numpy(), new[name].numpy())

    def test_export_writes_it_so(self):
        model = graph(stored=False)
        self.assertEqual(store_int8(model), 2)
        self.assertEqual([node.op_type for node in model.graph.node], ["DequantizeLinear", "MatMul", "Add", "Cast", "Mul", "Gemm", "Add"])


if __name__ == "__main__":
    unittest.main()
