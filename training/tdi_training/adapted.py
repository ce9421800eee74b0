"""A bundle's graphs with low-rank adapters (adapters.py) beside their matrices. The graphs that were there stay as files, byte for byte, and the new ones point
into them: what is added is the two thin matrices, in int8. Their product with an activation stands beside that of the matrix, so that the runtime may multiply the matrix as it is stored
(the server's --products); the thin ones are unpacked at load."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import onnx
import torch
from onnx import helper, numpy_helper

from .adapters import adapters_of, merged
from .config import ModelConfig
from .denoiser import Denoiser
from .encoder import FrozenEncoder
from .export import PARITY_TEXTS, describe, parity
from .fold import fold, products_report
from .graphs import export_graphs
from .quantise import as_int8, unpacked_at_load
from .shortlist import point_into
from .train_decoder import load_decoder

ROLES = ("denoiser", "condition")


def adapted_graph(base: Path, adapters: dict[str, tuple[torch.Tensor, torch.Tensor]], location: str) -> tuple[onnx.ModelProto, set[str]]:
    """The graph of `base` (as `export` stores it: int8 matrices, [in, out]; beside the new graph it will have the name `location`) with x W + (x down') up' in the place of x W wherever an adapter (down [rank, in], up [out, rank])
    has the name of the bias that is added to its product; and the names that were found."""
    data = base.read_bytes()
    model = onnx.load_model_from_string(data)
    graph = model.graph
    fold(graph)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    unpacked = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    found: set[str] = set()
    nodes, added = [], []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "MatMul" or node.input[1] not in unpacked:
            continue
        plus = users[node.output[0]][0]
        bias = next(i for i in plus.input if i.endswith(".bias"))
        name = bias.removeprefix("denoiser.").removesuffix(".bias")
        if name not in adapters:
            continue
        found.add(name)
        matrices = []
        for side, matrix in zip(("down", "up"), adapters[name]):
            (rows, scale), _ = as_int8(matrix.float().numpy().T, 1, f"{name}.{side}")
            scales, unpack = unpacked_at_load(rows.name, numpy_helper.to_array(scale), 1, f"{name}.{side}")
            added += [rows, scales]
            nodes += unpack
            matrices.append(f"{name}.{side}")
        thin, wide = matrices
        nodes += [helper.make_node("MatMul", [node.input[0], thin], [f"{name}.thin"]),
                  helper.make_node("MatMul", [f"{name}.thin", wide], [f"{name}.learned"]),
                  helper.make_node("Add", [node.output[0], f"{name}.learned"], [f"{name}.adapted"])]
        plus.input[:] = [f"{name}.adapted" if each == node.output[0] else each for each in plus.input]
    point_into(graph.initializer, data, location)
    graph.initializer.extend(added)
    del graph.node[:]
    graph.node.extend(nodes)
    return model, found


def adapt_bundle(bundle: Path, checkpoint: Path, stats: Path, decoder: Path) -> dict:
    """Puts a checkpoint's adapters into the bundle that it was trained from. Its graphs become denoiser_base.onnx and condition_base.onnx; a bundle that has those
    gets the new adapters in the place of its present ones. Statistics and decoder serve to compare the graphs with PyTorch."""
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    weights = {name: value.float() for name, value in saved["ema"].items()}
    adapters = adapters_of(weights)
    if not adapters:
        raise SystemExit(f"{checkpoint.name} has no adapters; train with --adapter-rank, or use export")
    config = ModelConfig.from_json(saved["config"])
    denoiser = Denoiser(config)
    denoiser.load_state_dict(merged(weights))
    denoiser.eval()
    card = json.loads((bundle / "bundle.json").read_text())
    if "denoiser_loop" in card["files"]:
        raise SystemExit(f"{bundle.name} was exported with --loop; that graph would keep the weights of before")
    bases = {role: bundle / f"{role}_base.onnx" for role in ROLES}
    present = {role: base if base.exists() else bundle / card["files"][role]["path"] for role, base in bases.items()}
    made = {role: adapted_graph(present[role], adapters, bases[role].name) for role in ROLES}
    if missing := sorted(set(adapters).difference(*(found for _, found in made.values()))):
        raise SystemExit(f"the bundle's graphs have no matrix for {', '.join(missing)}")
    for role, (model, _) in made.items():
        present[role].rename(bases[role])
        (bundle / f"{role}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        card["files"][role] = describe(bundle, bundle / f"{role}.onnx")
        card["files"][f"{role}_base"] = describe(bundle, bases[role])
    encoder = FrozenEncoder(config.encoder, config.layer).load_statistics(stats)
    with tempfile.TemporaryDirectory() as scratch:
        reader = load_decoder(decoder, encoder)
        fp32 = export_graphs(encoder, denoiser, reader, Path(scratch), never_empty=True)
        final = {role: bundle / card["files"][role]["path"] for role in fp32}
        card["parity"] = parity(encoder, denoiser, reader, fp32, final, PARITY_TEXTS[card["task"]], never_empty=True)
    card["parity"].update(products_report(bundle, card, config.encoder))
    (bundle / "bundle.json").write_text(json.dumps(card, indent=1) + "\n")
    return {"adapters": len(adapters), "bytes": sum((bundle / f"{role}.onnx").stat().st_size for role in ROLES), **card["parity"]}
