"""A denoiser whose matrices of the time embedding are unpacked once, when the graph is loaded, whatever the others are multiplied in. A product with one row
for each text in a call (Gemm) the runtime leaves in floats, and where it keeps int8 weights packed for the others it would unpack such a matrix at every step, and take another path for
a single row than for several, with other last bits. `store_int8` writes graphs so; this makes one of a bundle from before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from .encoder import load_tokenizer
from .export import PARITY_TEXTS, describe, onnx_trajectory
from .quantise import unpacked_at_load
from .sample import solver_coefficients
from .schedule import NoiseSchedule, time_grid
from .shortlist import point_into


def fold(graph: onnx.GraphProto) -> None:
    """The matrices of its Gemms are unpacked at load. What was unpacked at load before stays so."""
    users: dict[str, set[str]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, set()).add(node.op_type)
    held = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in list(graph.node):
        if node.op_type == "DequantizeLinear" and users[node.output[0]] == {"Gemm"}:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            scale, unpack = unpacked_at_load(node.input[0], numpy_helper.to_array(held[node.input[1]]), axis, node.output[0])
            graph.initializer.append(scale)
            nodes += unpack
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def folded(data: bytes, location: str) -> onnx.ModelProto:
    """A graph that computes what the graph of these bytes does and reads its weights from there: beside it that file has the name `location`."""
    model = onnx.load_model_from_string(data)
    fold(model.graph)
    point_into(model.graph.initializer, data, location)
    return model


def fold_bundle(bundle: Path, encoder: str) -> dict:
    """Puts the folded denoiser into a bundle; the graph that was there becomes denoiser_base.onnx, byte for byte. Enters in the card's `parity` what products in int8
    change of a trajectory of 16 DDIM steps on the task's parity texts, against products in fp32 of the same graphs."""
    card = json.loads((bundle / "bundle.json").read_text())
    if "denoiser_base" in card["files"] or "denoiser_loop" in card["files"]:
        raise SystemExit(f"{bundle.name} has a denoiser that points into another, or a loop of it")
    denoiser, base = bundle / "denoiser.onnx", bundle / "denoiser_base.onnx"
    denoiser.rename(base)
    denoiser.write_bytes(folded(base.read_bytes(), base.name).SerializeToString(deterministic=True))
    card["files"]["denoiser"], card["files"]["denoiser_base"] = describe(bundle, denoiser), describe(bundle, base)
    card["parity"].update(products_report(bundle, card, encoder))
    (bundle / "bundle.json").write_text(json.dumps(card, indent=1) + "\n")
    return {"bytes": denoiser.stat().st_size, **card["parity"]}


def products_report(bundle: Path, card: dict, encoder: str) -> dict:
    """What the runtime's products in int8 change of its own in fp32, as `parity` measures what storing does."""
    schedule = NoiseSchedule(card["schedule"]["name"], card["schedule"]["d"])
    coefficients = solver_coefficients("ddim", schedule, time_grid(16, schedule, "logsnr"))
    length = card["limits"].get("read_tokens", card["limits"]["source_tokens"])
    ids = load_tokenizer(encoder)(PARITY_TEXTS[card["task"]], padding=True, return_tensors="np", truncation=True, max_length=length)["input_ids"].astype(np.int64)
    canvas = card["limits"]["canvases"][-1]
    noise = [torch.randn(len(ids), canvas, card["model"]["hidden"], generator=torch.Generator().manual_seed(5)).numpy()]
    graphs = {role: (bundle / card["files"][role]["path"]).resolve() for role in ("encoder", "condition", "denoiser", "decoder")}
    (x, tokens), (y, others) = (onnx_trajectory(graphs, ids, card["tokens"]["pad"], canvas, coefficients, schedule, card["model"]["precondition"], noise, products)
                                for products in ("fp32", "int8"))
    return {"int8_products_mean_abs_difference": float(np.abs(x - y).mean()), "int8_products_tokens_equal": float((tokens == others).mean())}
