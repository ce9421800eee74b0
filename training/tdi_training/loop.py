"""The k-step form of a bundle's denoiser graph, for devices where a call is dear: k steps inside one ONNX Loop."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

# What has another value at every step; all else is the same for a whole call.
CARRIED = ("x", "previous")
SCANNED = ("t", "coefficients", "noise")
OUTPUTS = ("x_next", "x0")


def _per_step_nodes(graph: onnx.GraphProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """(nodes that depend on a step's own inputs, the others), each in order."""
    varying = set(CARRIED) | set(SCANNED)
    inside, outside = [], []
    for node in graph.node:
        if varying & set(node.input):
            varying |= set(node.output)
            inside.append(node)
        else:
            outside.append(node)
    return inside, outside


def _input(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    return next(i for i in graph.input if i.name == name)


def _with_leading(value: onnx.ValueInfoProto, dimension: str) -> onnx.ValueInfoProto:
    out = onnx.ValueInfoProto()
    out.CopyFrom(value)
    shape = out.type.tensor_type.shape
    rest = list(shape.dim)
    del shape.dim[:]
    shape.dim.add().dim_param = dimension
    shape.dim.extend(rest)
    return out


def loop_graph(step: onnx.ModelProto) -> onnx.ModelProto:
    """A model that does k steps of `step` (graphs.StepGraph) in one call.

    The inputs are those of one step, but t [k, B], coefficients [k, B, 6] and noise [k, B, L, H] have a leading k; the
    outputs are the last step's x_next and x0. A row with fewer steps left gets (1, 0, 0, 0, 0, 1) for the rest, which
    leaves x as it is. Work that is the same at every step (unpacking of weights, slicing of the cached keys and values) is
    done once, before the loop.
    """
    graph = step.graph
    inside, outside = _per_step_nodes(graph)
    # A subgraph may not hide a name of the graph around it, so a step's own values get names of their own.
    rename = {name: f"step_{name}" for name in (*CARRIED, *SCANNED, *OUTPUTS)}
    body_nodes = [helper.make_node("Gather", [name, "step_index"], [rename[name]], axis=0) for name in SCANNED]
    for node in inside:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for names in (copy.input, copy.output):
            for i, name in enumerate(names):
                names[i] = rename.get(name, name)
        body_nodes.append(copy)
    body_nodes.append(helper.make_node("Identity", ["step_go"], ["step_go_on"]))
    anything = helper.make_tensor_type_proto(TensorProto.FLOAT, None)

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_value_info(name, anything)

    body = helper.make_graph(
        body_nodes, "step",
        [helper.make_tensor_value_info("step_index", TensorProto.INT64, []), helper.make_tensor_value_info("step_go", TensorProto.BOOL, []),
         *(value(rename[name]) for name in CARRIED)],
        [helper.make_tensor_value_info("step_go_on", TensorProto.BOOL, []), *(value(rename[name]) for name in OUTPUTS)],
    )
    nodes = [
        *outside,
        helper.make_node("Shape", ["t"], ["steps_shape"], start=0, end=1),
        helper.make_node("Squeeze", ["steps_shape"], ["steps"]),
        helper.make_node("Loop", ["steps", "go", *CARRIED], list(OUTPUTS), body=body),
    ]
    inputs = [_with_leading(i, "steps") if i.name in SCANNED else i for i in graph.input]
    model = helper.make_model(
        helper.make_graph(nodes, "denoiser_loop", inputs, list(graph.output), [*graph.initializer, numpy_helper.from_array(np.array(True), "go")]),
        opset_imports=step.opset_import, ir_version=step.ir_version,
    )
    onnx.checker.check_model(model)
    return model


def write_loop(step: Path, out: Path) -> None:
    """Write the k-step form of a one-step graph beside it; works on the files of any bundle, of any precision."""
    out.write_bytes(loop_graph(onnx.load(str(step))).SerializeToString(deterministic=True))
