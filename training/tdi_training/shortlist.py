"""A decoder that chooses among frequent tokens and those of its source, in place of the whole vocabulary. Most of a decoder call is the
product of its states with the vocabulary's table, and hardly a token of an answer is both rare and not in the source. The same
idea is known from machine translation (vocabulary shortlists, arXiv 1412.2007, section 3)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .export import describe

SHORTLIST_FILE = "decoder_shortlist.onnx"
MADE_FROM = "decoder_sha256"
# Smaller weights are copied; the others stay where they are, and the graph points into the other's own file.
LEAST_POINTED = 512  # bytes
NEVER = np.float32(1e9)


def frequent_tokens(counts: list[tuple[np.ndarray, int]], always: list[int]) -> np.ndarray:
    """Sorted ids of those that occur often enough in any of several [V] counts, each with its least count, and of `always`."""
    often = np.zeros(len(counts[0][0]), dtype=bool)
    for count, least in counts:
        often |= count >= least
    often[always] = True
    return np.flatnonzero(often).astype(np.int64)


def _point(tensor: onnx.TensorProto, location: str, offset: int) -> None:
    length = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))


def point_into(tensors, data: bytes, location: str) -> None:
    """Leaves the larger of these tensors where they lie, once, in a file of these bytes beside the graph."""
    for tensor in tensors:
        if len(tensor.raw_data) >= LEAST_POINTED:
            offset = data.find(tensor.raw_data)
            if offset >= 0 and data.find(tensor.raw_data, offset + 1) < 0:
                _point(tensor, location, offset)


def packed_rows(ids: str, out: str) -> list[onnx.NodeProto]:
    """Nodes of the matrix `out` [H, n] whose columns are the rows `ids` (a constant) of the int8 table: what the runtime computes at load stays int8."""
    return [
        helper.make_node("Gather", ["table_rows", ids], [f"{out}_rows"], axis=0),
        helper.make_node("Transpose", [f"{out}_rows"], [f"{out}_int8"], perm=[1, 0]),
        helper.make_node("Gather", ["table_scales", ids], [f"{out}_scales"], axis=0),
        helper.make_node("DequantizeLinear", [f"{out}_int8", f"{out}_scales"], [out], axis=1),
    ]


def shortlisted(decoder: Path, kept: np.ndarray, special: list[int], bonus: float = 0.0) -> onnx.ModelProto:
    """The graph of a decoder file (its table in int8, as `export` writes it) with a further input, the source's ids [rows, source], that reads
    ids and probabilities among the `kept` ids (sorted, int64) and those of each row's own source. `bonus` is added to the logits of the
    source's rare tokens: an answer hardly ever has another rare one. The weights lie in the decoder's file still."""
    data = decoder.read_bytes()
    model = onnx.load_model_from_string(data)
    graph = model.graph
    product = next(node for node in graph.node if node.op_type == "MatMul" and node.input[1] == "table_t")
    states = product.input[0]
    nodes = list(graph.node)
    body = nodes[: next(i for i, node in enumerate(nodes) if node.output[0] == states) + 1]
    weights = {i.name: i for i in graph.initializer}
    vocabulary = weights["table_rows"].dims[0]
    # The runtime computes what follows from these alone when it loads the graph.
    constants = {
        "kept_ids": kept.astype(np.int32), "special_ids": np.array(special, dtype=np.int64), "vocabulary": np.array([vocabulary], dtype=np.int64),
        "never": NEVER, "bonus": np.float32(bonus), "below": np.int64(-1),
        "at_0": np.array([0], dtype=np.int64), "at_1": np.array([1], dtype=np.int64), "at_2": np.array([2], dtype=np.int64),
        "axes_last": np.array([2], dtype=np.int64),
    }
    n = helper.make_node
    head = [
        # Among the kept: [B, L, K].
        n("Cast", ["kept_ids"], ["kept"], to=TensorProto.INT64),
        *packed_rows("kept", "kept_t"),
        n("MatMul", [states, "kept_t"], ["kept_products"]),
        n("Gather", ["decoder.bias", "kept"], ["kept_bias"], axis=0),
        n("Add", ["kept_products", "kept_bias"], ["kept_logits"]),
        # The place after [CLS] holds a word, so that no text is empty.
        n("Unsqueeze", ["kept", "at_1"], ["kept_column"]),
        n("Equal", ["kept_column", "special_ids"], ["kept_is"]),
        n("Cast", ["kept_is"], ["kept_is_float"], to=TensorProto.FLOAT),
        n("ReduceMax", ["kept_is_float", "at_1"], ["kept_is_special"], keepdims=0),
        n("Mul", ["kept_is_special", "never"], ["kept_special"]),
        n("Slice", ["kept_logits", "at_0", "at_1", "at_1"], ["kept_before"]),
        n("Slice", ["kept_logits", "at_1", "at_2", "at_1"], ["kept_second"]),
        n("Shape", ["kept_logits"], ["kept_shape"]),
        n("Slice", ["kept_shape", "at_1", "at_2"], ["canvas_length"]),
        n("Slice", ["kept_logits", "at_2", "canvas_length", "at_1"], ["kept_after"]),
        n("Sub", ["kept_second", "kept_special"], ["kept_word"]),
        n("Concat", ["kept_before", "kept_word", "kept_after"], ["among_kept"], axis=1),
        # Among the source's own: [B, L, S]; not what is among the kept, what stands there twice, or padding (a special token).
        n("Gather", ["table_rows", "ids"], ["own_rows"], axis=0),
        n("Cast", ["own_rows"], ["own_float"], to=TensorProto.FLOAT),
        n("Transpose", ["own_float"], ["own_t"], perm=[0, 2, 1]),
        n("MatMul", [states, "own_t"], ["own_raw"]),
        n("Gather", ["table_scales", "ids"], ["own_scales"], axis=0),
        n("Unsqueeze", ["own_scales", "at_1"], ["own_scales_row"]),
        n("Mul", ["own_raw", "own_scales_row"], ["own_scaled"]),
        n("ConstantOfShape", ["vocabulary"], ["none_listed"]),
        n("Concat", ["kept", "special_ids"], ["listed_ids"], axis=0),  # a special token of the source is never a word of the answer
        n("Shape", ["listed_ids"], ["listed_shape"]),
        n("ConstantOfShape", ["listed_shape"], ["all_listed"], value=helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])),
        n("ScatterElements", ["none_listed", "listed_ids", "all_listed"], ["listed"], axis=0),
        n("Gather", ["listed", "ids"], ["own_listed"], axis=0),
        n("Unsqueeze", ["ids", "at_2"], ["ids_column"]),
        n("Unsqueeze", ["ids", "at_1"], ["ids_row"]),
        n("Equal", ["ids_column", "ids_row"], ["same"]),
        n("Cast", ["same"], ["same_float"], to=TensorProto.FLOAT),
        n("Trilu", ["same_float", "below"], ["same_before"], upper=0),
        n("ReduceMax", ["same_before", "axes_last"], ["own_again"], keepdims=0),
        n("Add", ["own_listed", "own_again"], ["own_out"]),
        n("Mul", ["own_out", "never"], ["own_penalty"]),
        n("Gather", ["decoder.bias", "ids"], ["own_bias"], axis=0),
        n("Add", ["own_bias", "bonus"], ["own_raised"]),
        n("Sub", ["own_raised", "own_penalty"], ["own_offset"]),
        n("Unsqueeze", ["own_offset", "at_1"], ["own_offset_row"]),
        n("Add", ["own_scaled", "own_offset_row"], ["among_own"]),
        # The better of the two, and its share of both.
        n("ArgMax", ["among_kept"], ["kept_place"], axis=2, keepdims=0),
        n("Gather", ["kept", "kept_place"], ["kept_id"], axis=0),
        n("ArgMax", ["among_own"], ["own_place"], axis=2, keepdims=0),
        n("GatherElements", ["ids", "own_place"], ["own_id"], axis=1),
        n("ReduceMax", ["among_kept", "axes_last"], ["kept_top"], keepdims=1),
        n("ReduceMax", ["among_own", "axes_last"], ["own_top"], keepdims=1),
        n("Max", ["kept_top", "own_top"], ["top"]),
        n("Greater", ["own_top", "kept_top"], ["own_wins_column"]),
        n("Squeeze", ["own_wins_column", "at_2"], ["own_wins"]),
        n("Where", ["own_wins", "own_id", "kept_id"], ["read"]),
        n("Sub", ["among_kept", "top"], ["kept_below"]),
        n("Exp", ["kept_below"], ["kept_exp"]),
        n("ReduceSum", ["kept_exp", "axes_last"], ["kept_sum"], keepdims=0),
        n("Sub", ["among_own", "top"], ["own_below"]),
        n("Exp", ["own_below"], ["own_exp"]),
        n("ReduceSum", ["own_exp", "axes_last"], ["own_sum"], keepdims=0),
        n("Add", ["kept_sum", "own_sum"], ["sum"]),
        n("Reciprocal", ["sum"], ["probability"]),
    ]
    used = {name for node in (*body, *head) for name in node.input}
    initializers = [i for i in graph.initializer if i.name in used]
    point_into(initializers, data, decoder.name)
    initializers += [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used]
    source = next(i for i in graph.input if i.name == "bias").type.tensor_type.shape
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [d.dim_param for d in source.dim])
    outputs = [helper.make_tensor_value_info("read", TensorProto.INT64, ["rows", "canvas"]), next(o for o in graph.output if o.name == "probability")]
    out = helper.make_model(helper.make_graph([*body, *head], "decoder", [*graph.input, ids], outputs, initializers), opset_imports=model.opset_import, ir_version=model.ir_version)
    helper.set_model_props(out, {MADE_FROM: hashlib.sha256(data).hexdigest()})
    return out


def shortlist_settings(path: Path) -> tuple[np.ndarray, float]:
    """The ids that a shortlist keeps, int64, and its bonus for the source's."""
    held = {item.name: item for item in onnx.load(str(path), load_external_data=False).graph.initializer}
    kept = held.get("kept_ids") or held["kept"]  # as graphs of before name them
    return numpy_helper.to_array(kept).astype(np.int64), float(numpy_helper.to_array(held["bonus"]))


def shortlist_entry(out: Path, shared: Path) -> dict | None:
    """The card's entry for the shortlist of a shared folder. None where there is none; one of another decoder is an error."""
    path = shared / SHORTLIST_FILE
    if not path.exists():
        return None
    props = {p.key: p.value for p in onnx.load(str(path), load_external_data=False).metadata_props}
    if props.get(MADE_FROM) != hashlib.sha256((shared / "decoder.onnx").read_bytes()).hexdigest():
        raise SystemExit(f"{path.name} was made from another decoder.onnx; make it again with `shortlist`")
    return describe(out, path)


def shortlist_size(models: Path) -> tuple[int, list[int]]:
    """Tokens of a models folder's vocabulary, and the ids of its special ones."""
    decoder = onnx.load(str(models / "shared" / "decoder.onnx"), load_external_data=False)
    vocabulary = next(i for i in decoder.graph.initializer if i.name == "table_rows").dims[0]
    return vocabulary, json.loads(next(models.glob("*/bundle.json")).read_text())["tokens"]["special"]


def write_shortlist(models: Path, kept: np.ndarray, bonus: float = 0.0) -> dict:
    """Writes the shortlist decoder of a models folder (its bundles in folders beside `shared`) and enters it in their cards."""
    shared = models / "shared"
    model = shortlisted(shared / "decoder.onnx", kept, shortlist_size(models)[1], bonus)
    (shared / SHORTLIST_FILE).write_bytes(model.SerializeToString(deterministic=True))
    cards = sorted(models.glob("*/bundle.json"))
    for card in cards:
        bundle = json.loads(card.read_text())
        bundle["files"]["decoder_shortlist"] = shortlist_entry(card.parent, shared)
        card.write_text(json.dumps(bundle, indent=1) + "\n")
    return {"tokens": len(kept), "bonus": bonus, "bytes": (shared / SHORTLIST_FILE).stat().st_size, "bundles": [card.parent.name for card in cards]}
