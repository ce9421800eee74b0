"""Where a denoiser's time goes on a CPU, operator by operator, and what share it reaches of the machine's own matrix products in the same runtime."""

from __future__ import annotations

import collections
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .export import open_session

WARM, CALLS = 15, 40
PEAK_SIZE, PEAK_ROWS = 1024, (128, 256, 512, 1024)  # of the matrices whose product stands for what the machine can do


def peak(threads: int) -> float:
    """GFLOP/s of products of so many rows with a square matrix, a constant as weights are; the best of many calls."""
    n = PEAK_SIZE
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(n, n)).astype(np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "peak", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", n])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", n])], [weight])
    session = open_session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString(), threads)
    return max(2 * rows * n**2 / min(timed(session, {"x": np.ones((rows, n), np.float32)})) / 1e9 for rows in PEAK_ROWS)


def products(path: Path, positions: int, source: int) -> tuple[float, float]:
    """FLOPs a row of a step: of the products with constant matrices at every position, and of attention (scores and values)."""
    model = onnx.load(str(path), load_external_data=False)
    shapes = {i.name: list(i.dims) for i in model.graph.initializer}
    shapes.update({n.output[0]: shapes[n.input[0]] for n in model.graph.node if n.op_type == "DequantizeLinear"})
    weights = [int(np.prod(shapes[n.input[1]])) for n in model.graph.node if n.op_type == "MatMul" and len(shapes.get(n.input[1], [])) == 2]
    dims = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    heads, size = dims["keys"][2], dims["keys"][4]
    attentions = dims["keys"][1]
    return 2.0 * positions * sum(weights), 4.0 * attentions * heads * size * positions * (positions + source)


def inputs_of(session, rows: int, positions: int, source: int) -> dict[str, np.ndarray]:
    """Random states of so many rows, each its own in the batch."""
    named, random = {"rows": rows, "canvas": positions, "source": source}, np.random.default_rng(0)
    shapes = {each.name: [d if isinstance(d, int) else named[d] for d in each.shape] for each in session.get_inputs()}
    return {each.name: np.arange(rows) if "int64" in each.type else (0.3 * random.normal(size=shapes[each.name])).astype(np.float32) for each in session.get_inputs()}


def timed(session, feeds: dict) -> list[float]:
    """Seconds of each of many calls."""
    times = []
    for _ in range(WARM + CALLS):
        began = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - began)
    return times


def profile(path: Path, rows: list[int], positions: int, source: int, threads: int, multiplied: str = "fp32") -> dict:
    """`multiplied`: what int8 weights are multiplied in, as the server's --products; the peak is always that of fp32. For each number of rows: milliseconds a step, GFLOP/s, its share of the peak, and each operator's milliseconds."""
    best = peak(threads)
    constant, attention = products(path, positions, source)
    report: dict = {"graph": path.name, "threads": threads, "products": multiplied, "positions": positions, "source": source, "peak_gflops": round(best, 1), "rows": {}}
    for count in rows:
        session = open_session(path, threads, products=multiplied)
        feeds = inputs_of(session, count, positions, source)
        step = float(np.median(timed(session, feeds)[WARM:]))
        # Another session: writing the trace costs a fifth of a small step.
        with tempfile.TemporaryDirectory() as folder:
            traced = open_session(path, threads, Path(folder) / "trace", multiplied)
            timed(traced, feeds)
            events = json.loads(Path(traced.end_profiling()).read_text())
        spent: collections.Counter = collections.Counter()
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
                spent[event["args"]["op_name"]] += event["dur"]
        operators = {name: round(total / (WARM + CALLS) / 1000, 3) for name, total in spent.most_common(10)}
        flops = count * constant / 1e9
        report["rows"][count] = {
            "ms": round(1000 * step, 2), "gflops": round((flops + count * attention / 1e9) / step, 1), "share_of_peak": round((flops + count * attention / 1e9) / step / best, 3),
            "products_share_of_peak": round(flops / (sum(operators.get(name, 0) for name in ("MatMul", "MatMulNBits")) / 1000) / best, 3), "operators_ms": operators}
    return report

