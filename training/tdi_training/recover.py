"""Checkpoints from a shipped bundle, to train on from: its int8-stored matrices times their scales, the rest as it is. A matrix's
name is lost in export, but not that of the bias added to its product."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from .config import ModelConfig
from .decoder import Decoder
from .denoiser import Denoiser
from .encoder import FrozenEncoder


def named_weights(path: Path, module: str) -> dict[str, torch.Tensor]:
    """Parameters of `module` ("denoiser", "decoder") in an exported graph, by the names of its PyTorch module."""
    graph = onnx.load(str(path)).graph  # weights that a graph with adapters points to (adapted.py) included
    constants = {item.name: item for item in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found = {name.removeprefix(f"{module}."): numpy_helper.to_array(item) for name, item in constants.items() if name.startswith(f"{module}.")}
    unpacked, rows_of = {}, {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            rows, scale = (numpy_helper.to_array(constants[name]) for name in node.input[:2])
            axis = next(a.i for a in node.attribute if a.name == "axis")
            unpacked[node.output[0]] = rows.astype(np.float32) * np.expand_dims(scale, 1 - axis)
        elif node.op_type == "Cast" and node.input[0] in constants:  # of a matrix that is unpacked at load (quantise.py)
            rows_of[node.output[0]] = numpy_helper.to_array(constants[node.input[0]]).astype(np.float32)
        elif node.op_type == "Mul" and node.input[0] in rows_of:
            unpacked[node.output[0]] = rows_of.pop(node.input[0]) * numpy_helper.to_array(constants[node.input[1]])
    adapted = {}
    for node in graph.node:  # a product with an adapter stands beside that with its matrix
        plus = users.get(node.output[0], [None])[0]
        if node.op_type == "MatMul" and node.output[0].endswith(".learned") and plus is not None:
            thin = next(each for each in graph.node if each.output[0] == node.input[0])
            beside = next(each for each in graph.node if each.output[0] == plus.input[0])
            unpacked[beside.input[1]] = unpacked[beside.input[1]] + unpacked.pop(thin.input[1]) @ unpacked.pop(node.input[1])
            adapted[beside.output[0]] = plus.output[0]
    for output, matrix in unpacked.items():
        product = users[output][0]
        transposed = any(a.name == "transB" and a.i for a in product.attribute)
        added = product if len(product.input) > 2 else next(n for n in users[adapted.get(product.output[0], product.output[0])] if n.op_type == "Add")
        bias = next(name for name in added.input if name.startswith(f"{module}.") and name.endswith(".bias"))
        found[bias.removeprefix(f"{module}.").removesuffix("bias") + "weight"] = matrix if transposed else matrix.T
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


def recover(bundle: Path, config: ModelConfig, out: Path) -> None:
    """Writes `denoiser.pt`, `decoder.pt` and `stats.npz`. SystemExit when the config is not the bundle's."""
    card = json.loads((bundle / "bundle.json").read_text())
    files = {role: bundle / entry["path"] for role, entry in card["files"].items()}
    out.mkdir(parents=True, exist_ok=True)
    weights = named_weights(files["denoiser"], "denoiser") | named_weights(files["condition"], "denoiser")
    decoder = named_weights(files["decoder"], "decoder")
    encoder = FrozenEncoder(config.encoder, config.layer)
    try:
        Denoiser(config).load_state_dict(weights)
        Decoder(config, encoder.vocabulary, encoder.word_embeddings).load_state_dict(decoder)
    except RuntimeError as error:
        raise SystemExit(f"{bundle.name} does not fit this preset: {error}") from error
    torch.save({"ema": {k: v.half() for k, v in weights.items()}, "config": config.to_json()}, out / "denoiser.pt")
    torch.save({"decoder": decoder, "config": config.to_json(), "tied": True}, out / "decoder.pt")
    held = {item.name: numpy_helper.to_array(item) for item in onnx.load(str(files["decoder"]), load_external_data=False).graph.initializer
            if item.name in ("mean", "std")}
    np.savez(out / "stats.npz", **held, count=0)
    print(f"{card['name']}: {sum(v.numel() for v in weights.values())} weights of the denoiser, {sum(v.numel() for v in decoder.values())} of the decoder")
