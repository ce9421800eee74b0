"""The graph of a small network that scores one text or one pair of texts, as the server runs it: int8 weights, no padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn


def stored_int8(graph, out: Path):
    """Writes an exported graph with its matrices in int8 and without the exporter's traces, and opens it."""
    import onnxruntime

    from .quantise import store_int8, strip_metadata

    store_int8(graph)
    strip_metadata(graph)
    out.write_bytes(graph.SerializeToString(deterministic=True))
    return onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])


def export_score(scored: nn.Module, cases: list[dict[str, torch.Tensor]], out: Path, places: str | None = None) -> dict:
    """Writes the graph of `scored`, which takes latents [1, any length, H] under the names of each case and gives score [1], and where `places` names it a second
    output [1, length of the first]. Returns its bytes and parameters, and the largest absolute difference to PyTorch over the cases, the first of which is traced."""
    import onnx

    names, outputs = list(cases[0]), ["score", *([places] if places else [])]
    torch.onnx.export(scored, tuple(cases[0].values()), str(out), input_names=names, output_names=outputs, opset_version=17, dynamo=False,
                      dynamic_axes={**{name: {1: f"tokens of {name}"} for name in names}, **({places: {1: f"tokens of {names[0]}"}} if places else {})})
    session = stored_int8(onnx.load(str(out)), out)
    worst = 0.0
    for case in cases:
        with torch.no_grad():
            expected = scored(**case)
        found = session.run(None, {name: case[name].numpy() for name in names})
        worst = max(worst, *(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected if places else [expected])))
    return {"bytes": out.stat().st_size, "max_abs_error": round(worst, 5), "parameters": sum(p.numel() for p in scored.parameters())}
