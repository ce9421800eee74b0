"""int8 for the CPU, such that no row depends on its batch mates: a weight scale per output channel, an activation
scale per token. `quantize_dynamic` takes one activation scale over the whole batch tensor, so an outlier row changes
its neighbours; here each token's scale comes from that token alone."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# 7 bits: on AVX2 without VNNI two 8-bit products are added in 16 bits and saturate at the full range.
WEIGHT_LIMIT = 63


def _initialisers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {i.name: i for i in model.graph.initializer}


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input} | {o.name for o in model.graph.output}
    kept = [i for i in model.graph.initializer if i.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def strip_metadata(model: onnx.ModelProto) -> None:
    """Exporter traces (source lines, stack) are of no use to a server, and name files of the machine that exported."""
    del model.metadata_props[:]
    model.doc_string = ""
    del model.graph.value_info[:]
    for item in (model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        item.doc_string = ""
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
    for node in model.graph.node:
        node.name = ""


def as_int8(matrix: np.ndarray, axis: int, name: str) -> tuple[list[onnx.TensorProto], onnx.NodeProto]:
    """A matrix in int8 with a scale for each place of `axis`: its two tensors, and the node that unpacks them."""
    scale = np.maximum(np.abs(matrix).max(axis=1 - axis), 1e-8) / 127.0
    rows = np.clip(np.round(matrix / np.expand_dims(scale, 1 - axis)), -127, 127).astype(np.int8)
    tensors = [numpy_helper.from_array(rows, f"{name}_int8"), numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale")]
    return tensors, helper.make_node("DequantizeLinear", [tensor.name for tensor in tensors], [f"{name}_float"], axis=axis)


def unpacked_at_load(rows: str, scale: np.ndarray, axis: int, out: str) -> tuple[onnx.TensorProto, list[onnx.NodeProto]]:
    """The matrix `out` from its int8 rows and the scales along `axis`, as nodes that the runtime computes once when it loads the graph, whatever it keeps packed
    (a DequantizeLinear it may leave for later)."""
    column = numpy_helper.from_array(np.expand_dims(scale, 1 - axis), f"{out}_scales")
    return column, [helper.make_node("Cast", [rows], [f"{out}_rows"], to=TensorProto.FLOAT), helper.make_node("Mul", [f"{out}_rows", column.name], [out])]


def store_int8(model: onnx.ModelProto, minimum: int = 64 * 64) -> int:
    """Weights of every constant matrix kept as int8 with a scale per output channel, a quarter of the size. Those of products of every token the runtime unpacks once when it
    loads, or multiplies as they are (the server's --products); those of products of one row a text (Gemm) it always unpacks (fold.py). Returns how many."""
    weights = _initialisers(model)
    made: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in list(model.graph.node):
        matrix = weights.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") and len(node.input) > 1 else None
        if matrix is not None and len(matrix.dims) == 2 and np.prod(matrix.dims) >= minimum:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            axis = 0 if transposed else 1  # the axis of output channels
            (rows, scale), unpack = as_int8(numpy_helper.to_array(matrix), axis, f"s{count}")
            unpacking = [unpack]
            if node.op_type == "Gemm":
                scale, unpacking = unpacked_at_load(rows.name, numpy_helper.to_array(scale), axis, unpack.output[0])
            made += [rows, scale]
            nodes += unpacking
            node.input[1] = unpack.output[0]
            count += 1
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(made)
    _drop_unused(model)
    return count


def quantise_matmuls(model: onnx.ModelProto, minimum: int = 64 * 64) -> int:
    """Every MatMul/Gemm of an activation with a constant matrix becomes MatMulInteger with per-token scales.

    Returns how many were replaced. Matrices of fewer than `minimum` entries stay as they are.
    """
    weights = _initialisers(model)
    made: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    quantised: dict[str, tuple[str, str]] = {}
    constants = {"tdi_limit": np.float32(127.0), "tdi_floor": np.float32(1e-6)}
    for name, value in constants.items():
        made.append(numpy_helper.from_array(np.array(value), name))
    made.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "tdi_last"))
    count = 0

    def quantise_activation(x: str) -> tuple[str, str]:
        if x not in quantised:
            p = f"{x}_q"
            nodes.extend([
                helper.make_node("Abs", [x], [f"{p}_abs"]),
                helper.make_node("ReduceMax", [f"{p}_abs", "tdi_last"], [f"{p}_max"], keepdims=1),
                helper.make_node("Max", [f"{p}_max", "tdi_floor"], [f"{p}_top"]),
                helper.make_node("Div", [f"{p}_top", "tdi_limit"], [f"{p}_scale"]),
                helper.make_node("Div", [x, f"{p}_scale"], [f"{p}_unit"]),
                helper.make_node("Round", [f"{p}_unit"], [f"{p}_round"]),
                helper.make_node("Cast", [f"{p}_round"], [f"{p}_int"], to=TensorProto.INT8),
            ])
            quantised[x] = (f"{p}_int", f"{p}_scale")
        return quantised[x]

    for node in list(model.graph.node):
        matrix = weights.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") and len(node.input) > 1 else None
        if matrix is None or len(matrix.dims) != 2 or np.prod(matrix.dims) < minimum:
            nodes.append(node)
            continue
        attributes = {a.name: a for a in node.attribute}
        w = numpy_helper.to_array(matrix)
        if node.op_type == "Gemm" and "transB" in attributes and attributes["transB"].i:
            w = w.T
        scale = np.maximum(np.abs(w).max(axis=0), 1e-8) / WEIGHT_LIMIT
        name = f"w{count}"
        made.append(numpy_helper.from_array(np.clip(np.round(w / scale), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8), f"{name}_int8"))
        made.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        ints, token_scale = quantise_activation(node.input[0])
        out = node.output[0]
        bias = node.input[2] if node.op_type == "Gemm" and len(node.input) > 2 else None
        product = f"{out}_scaled" if bias else out
        nodes.extend([
            helper.make_node("MatMulInteger", [ints, f"{name}_int8"], [f"{out}_acc"]),
            helper.make_node("Cast", [f"{out}_acc"], [f"{out}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [token_scale, f"{name}_scale"], [f"{out}_scale"]),
            helper.make_node("Mul", [f"{out}_float", f"{out}_scale"], [product]),
        ])
        if bias:
            nodes.append(helper.make_node("Add", [product, bias], [out]))
        count += 1
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(made)
    _drop_unused(model)
    return count


def table_to_int8(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[V, H] -> int8 rows and a float32 scale per row."""
    scale = np.maximum(np.abs(table).max(axis=1), 1e-8) / 127.0
    return np.clip(np.round(table / scale[:, None]), -127, 127).astype(np.int8), scale.astype(np.float32)


def share_table(model: onnx.ModelProto, table: np.ndarray, rows: np.ndarray, scales: np.ndarray, location: str) -> None:
    """Replace the vocabulary table, wherever it is gathered from or multiplied by, with int8 rows kept in a file that
    several graphs point to (`location`, beside them: first the rows, then the scales)."""
    weights = _initialisers(model)
    names = {n for n, i in weights.items() if tuple(i.dims) in (table.shape, table.shape[::-1])}
    if not names:
        raise ValueError("the graph holds no vocabulary table")

    def external(name: str, array: np.ndarray, offset: int) -> onnx.TensorProto:
        tensor = onnx.TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", str(offset)), ("length", str(array.nbytes))):
            tensor.external_data.add(key=key, value=value)
        return tensor

    nodes: list[onnx.NodeProto] = []
    for node in list(model.graph.node):
        hit = [n for n in node.input if n in names]
        if not hit:
            nodes.append(node)
            continue
        out = node.output[0]
        if node.op_type == "Gather":
            nodes.extend([
                helper.make_node("Gather", ["table_rows", node.input[1]], [f"{out}_rows"], axis=0),
                helper.make_node("Gather", ["table_scales", node.input[1]], [f"{out}_scales"], axis=0),
                helper.make_node("Cast", [f"{out}_rows"], [f"{out}_float"], to=TensorProto.FLOAT),
                helper.make_node("Unsqueeze", [f"{out}_scales", "table_last"], [f"{out}_column"]),
                helper.make_node("Mul", [f"{out}_float", f"{out}_column"], [out]),
            ])
        elif node.op_type in ("MatMul", "Gemm"):
            nodes.extend([
                helper.make_node("Cast", ["table_rows"], ["table_float"], to=TensorProto.FLOAT),
                helper.make_node("Transpose", ["table_float"], ["table_t"], perm=[1, 0]),
                helper.make_node("MatMul", [node.input[0], "table_t"], [f"{out}_raw"]),
                helper.make_node("Mul", [f"{out}_raw", "table_scales"], [out]),
            ])
        else:
            raise ValueError(f"cannot share a table used by {node.op_type}")
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([external("table_rows", rows, 0), external("table_scales", scales, rows.nbytes),
                                    numpy_helper.from_array(np.array([-1], dtype=np.int64), "table_last")])
    _drop_unused(model)
