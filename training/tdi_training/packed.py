"""Products with chosen rows of the vocabulary's table whose matrix the runtime keeps packed in int8, as it keeps other weights. Rows that are gathered, cast and scaled it would
turn into floats when it loads the graph, four times the memory; rows that stay int8 until one DequantizeLinear before the product it multiplies as they are."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx import helper

from .shortlist import SHORTLIST_FILE, packed_rows, point_into, shortlist_settings, write_shortlist

INFILLER, BASE = "infiller.onnx", "infiller_base.onnx"


def pack_choice(graph: onnx.GraphProto, ids: str) -> None:
    """The one product with the rows `ids` of `table_rows`, as `share_table` leaves it (gathered, cast, scaled by row, transposed), with a packed matrix in its place."""
    def only_user(name: str) -> onnx.NodeProto:
        (node,) = (node for node in graph.node if name in node.input)
        return node

    rows, scales = (next(node for node in graph.node if node.op_type == "Gather" and list(node.input) == [table, ids]) for table in ("table_rows", "table_scales"))
    cast, column = only_user(rows.output[0]), only_user(scales.output[0])
    scaled = only_user(cast.output[0])
    turned = only_user(scaled.output[0])
    chain = [node.op_type for node in (cast, column, scaled, turned, only_user(turned.output[0]))]
    if chain != ["Cast", "Unsqueeze", "Mul", "Transpose", "MatMul"]:
        raise ValueError(f"rows {ids} of the table are used by {', '.join(chain)}")
    gone = {node.output[0] for node in (rows, scales, cast, column, scaled)}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.output[0] == turned.output[0]:
            nodes += packed_rows(ids, node.output[0])
        elif node.output[0] not in gone:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def packed(data: bytes, location: str) -> onnx.ModelProto:
    """The infiller's graph of these bytes with its words packed. It reads its weights from there: beside it that file has the name `location`."""
    model = onnx.load_model_from_string(data)
    pack_choice(model.graph, "kept")
    point_into(model.graph.initializer, data, location)
    return model


def pack_vocabulary(models: Path) -> dict:
    """Writes the shortlist of a models folder anew, by the settings of the one that it has, and its infiller as a graph that points into the one that was there, which becomes
    infiller_base.onnx, byte for byte; enters both in the cards."""
    from .export import describe

    shared = models / "shared"
    shortlist = write_shortlist(models, *shortlist_settings(shared / SHORTLIST_FILE))
    infiller, base = shared / INFILLER, shared / BASE
    if base.exists():
        raise SystemExit(f"{infiller.name} points into another already")
    infiller.rename(base)
    infiller.write_bytes(packed(base.read_bytes(), base.name).SerializeToString(deterministic=True))
    for card in sorted(models.glob("*/bundle.json")):
        bundle = json.loads(card.read_text())
        if "infiller" in bundle["files"]:
            bundle["files"]["infiller"], bundle["files"]["infiller_base"] = describe(card.parent, infiller), describe(card.parent, base)
            card.write_text(json.dumps(bundle, indent=1) + "\n")
    return {"shortlist": shortlist["bytes"], "infiller": infiller.stat().st_size}
