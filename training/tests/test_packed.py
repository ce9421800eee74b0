"""A product with chosen rows of the vocabulary's table: the runtime keeps its matrix in int8, and it is the product that it was."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tdi_training.export import open_session
from tdi_training.packed import BASE, INFILLER, pack_choice, packed
from tdi_training.quantise import share_table, table_to_int8
from tdi_training.shortlist import SHORTLIST_FILE, shortlist_settings, shortlisted

SHARED = Path(__file__).parents[2] / "models" / "shared"
WORDS, WIDTH, KEPT = 600, 64, 100


def choosing(rows: np.ndarray, scales: np.ndarray, table: np.ndarray) -> onnx.ModelProto:
    """states [n, 64] times the rows `kept` of the table, as `export` of an infiller leaves it."""
    n = helper.make_node
    nodes = [n("Gather", ["table", "kept"], ["chosen"], axis=0), n("Transpose", ["chosen"], ["turned"], perm=[1, 0]), n("MatMul", ["states", "turned"], ["out"])]
    held = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.arange(0, WORDS, WORDS // KEPT), "kept")]
    floats = lambda name, *dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)  # noqa: E731
    model = helper.make_model(helper.make_graph(nodes, "g", [floats("states", "n", WIDTH)], [floats("out", "n", KEPT)], held), opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    share_table(model, table, rows, scales, "table.bin")
    return model


class Packing(unittest.TestCase):
    def test_the_product_is_the_same_and_its_matrix_stays_int8(self):
        random = np.random.default_rng(0)
        table = random.standard_normal((WORDS, WIDTH)).astype(np.float32)
        rows, scales = table_to_int8(table)
        states = random.standard_normal((5, WIDTH)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            (out / "table.bin").write_bytes(rows.tobytes() + scales.tobytes())
            found = {}
            for name in ("before", "after"):
                model = choosing(rows, scales, table)
                if name == "after":
                    pack_choice(model.graph, "kept")
                (out / f"{name}.onnx").write_bytes(model.SerializeToString())
                for products in ("fp32", "int8"):
                    session = open_session(out / f"{name}.onnx", 1, out / f"{name}-{products}", products)
                    found[name, products] = session.run(None, {"states": states})[0]
                    found[name, products, "packed"] = "MatMulNBits" in Path(session.end_profiling()).read_text()
        np.testing.assert_allclose(found["before", "fp32"], found["after", "fp32"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["before", "int8"], found["after", "int8"], atol=0.02 * np.abs(found["before", "int8"]).max())
        self.assertEqual([found[name, products, "packed"] for name in ("before", "after") for products in ("fp32", "int8")], [False, False, False, True])

    def test_another_use_of_the_rows_is_refused(self):
        table = np.ones((WORDS, WIDTH), np.float32)
        model = choosing(*table_to_int8(table), table)
        next(node for node in model.graph.node if node.op_type == "Transpose").op_type = "Identity"
        with self.assertRaisesRegex(ValueError, "Cast, Unsqueeze, Mul, Identity, MatMul"):
            pack_choice(model.graph, "kept")

    def test_the_shipped_graphs_are_made_so(self):
        made = packed((SHARED / BASE).read_bytes(), BASE).SerializeToString(deterministic=True)
        self.assertEqual(made, (SHARED / INFILLER).read_bytes())
        kept, bonus = shortlist_settings(SHARED / SHORTLIST_FILE)
        special = numpy_helper.to_array(next(i for i in onnx.load(str(SHARED / SHORTLIST_FILE), load_external_data=False).graph.initializer if i.name == "special_ids"))
        self.assertEqual(shortlisted(SHARED / "decoder.onnx", kept, special.tolist(), bonus).SerializeToString(deterministic=True), (SHARED / SHORTLIST_FILE).read_bytes())


if __name__ == "__main__":
    unittest.main()
