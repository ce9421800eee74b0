"""The autoregressive baseline as ONNX graphs with a key-value cache, for benchmarks beside the server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from .autoregressive import AutoregressiveDecoder
from .encoder import FrozenEncoder, resolve_encoder
from .export import PARITY_TEXTS, open_session, tokens_of
from .graphs import EncoderGraph
from .quantise import store_int8, strip_metadata
from .search import beam_search

TOP = 8  # candidates a step: a beam of four looks at twice its width


class PrefixGraph(nn.Module):
    """states [B, S, H], bias [B, S], source_ids [B, S] -> what does not change while a text is written (cross-attention keys and
    values [B, layers, heads, S, d], pointer keys [B, S, H]), the cache after [CLS] [layers, B, heads, 1, d] twice, and the first
    token's candidates: ids and log-probabilities [B, TOP], best first."""

    def __init__(self, model: AutoregressiveDecoder, cls: int):
        super().__init__()
        self.model, self.cls = model, cls

    def forward(self, states, bias, source_ids):
        cross = self.model.keys_values(states)
        ids = torch.full_like(source_ids[:, :1], self.cls)
        h, cache = self.model.states(ids, cross, bias[:, None, None, :])
        top = self.model.log_probabilities(h, cross, bias[:, None, None, :], source_ids).topk(TOP)
        return (torch.stack([k for k, _ in cross[:-1]], 1), torch.stack([v for _, v in cross[:-1]], 1), cross[-1][0],
                torch.stack([k for k, _ in cache]), torch.stack([v for _, v in cache]), top.indices, top.values)


class NextGraph(nn.Module):
    """One more token: ids [B, 1], cache keys and values [layers, B, heads, T, d] and PrefixGraph's constants -> the cache grown by one
    and the next token's candidates [B, TOP]."""

    def __init__(self, model: AutoregressiveDecoder):
        super().__init__()
        self.model = model

    def forward(self, ids, past_keys, past_values, keys, values, pointer, bias, source_ids):
        layers = self.model.config.layers
        cross = [*((keys[:, i], values[:, i]) for i in range(layers)), (pointer, pointer)]
        past = [(past_keys[i], past_values[i]) for i in range(layers)]
        h, grown = self.model.states(ids, cross, bias[:, None, None, :], past)
        top = self.model.log_probabilities(h, cross, bias[:, None, None, :], source_ids).topk(TOP)
        return torch.stack([k for k, _ in grown]), torch.stack([v for _, v in grown]), top.indices, top.values


CONSTANTS = ("keys", "values", "pointer")


def export_autoregressive(model: AutoregressiveDecoder, encoder: FrozenEncoder, out: Path, precision: str) -> dict:
    """Write encoder.onnx, prefix.onnx, next.onnx, tokenizer.json and baseline.json; returns the report of `greedy_agreement`."""
    c, tok = model.config, encoder.tokenizer
    out.mkdir(parents=True, exist_ok=True)
    dim = torch.export.Dim
    rows, source, written = dim("rows", max=4096), dim("source", max=max(512, c.source_length)), dim("written", max=c.max_positions - 1)
    b, s, t, d = 3, 9, 4, c.hidden // c.heads
    source_ids, bias, states = torch.randint(0, 100, (b, s)), torch.zeros(b, s), torch.randn(b, s, c.hidden)
    past, kv = torch.randn(c.layers, b, c.heads, t, d), torch.randn(b, c.layers, c.heads, s, d)
    by_row = {0: rows, 1: source}
    jobs = {
        "encoder": (EncoderGraph(encoder), (source_ids, torch.ones(b, s)), ["ids", "mask"], ["states"], [by_row, by_row]),
        "prefix": (PrefixGraph(model, tok.cls_token_id), (states, bias, source_ids), ["states", "bias", "source_ids"],
                   [*CONSTANTS, "past_keys", "past_values", "top_ids", "top_log_probabilities"], [by_row, by_row, by_row]),
        "next": (NextGraph(model), (torch.randint(0, 100, (b, 1)), past, past.clone(), kv, kv.clone(), states.clone(), bias, source_ids),
                 ["ids", "past_keys", "past_values", *CONSTANTS, "bias", "source_ids"],
                 ["new_keys", "new_values", "top_ids", "top_log_probabilities"],
                 [{0: rows}, {1: rows, 3: written}, {1: rows, 3: written}, {0: rows, 3: source}, {0: rows, 3: source}, by_row, by_row, by_row]),
    }
    for name, (module, args, inputs, outputs, shapes) in jobs.items():
        program = torch.onnx.export(module.eval(), args, dynamo=True, opset_version=20, input_names=inputs, output_names=outputs,
                                    dynamic_shapes=shapes, optimize=True, verbose=False)
        program.save(str(out / f"{name}.onnx"), external_data=False)
        exported = onnx.load(str(out / f"{name}.onnx"))
        if precision == "int8-stored":
            store_int8(exported)
        strip_metadata(exported)
        (out / f"{name}.onnx").write_bytes(exported.SerializeToString(deterministic=True))
    shutil.copyfile(Path(resolve_encoder(c.encoder)) / "tokenizer.json", out / "tokenizer.json")
    report = greedy_agreement(model, encoder, out)
    card = {"kind": "autoregressive", "precision": precision, "tokens": tokens_of(encoder), "longest": c.max_canvas, "source_tokens": c.source_length,
            "parameters": sum(p.numel() for p in model.parameters()), "agreement": report}
    (out / "baseline.json").write_text(json.dumps(card, indent=1) + "\n")
    return report


def greedy_agreement(model: AutoregressiveDecoder, encoder: FrozenEncoder, folder: Path) -> dict:
    """Greedy texts of the graphs against PyTorch's: share of equal texts, and the largest difference of a text's log-probability."""
    sessions = {name: open_session(folder / f"{name}.onnx") for name in ("encoder", "prefix", "next")}
    tok, c = encoder.tokenizer, model.config
    equal, worst = 0, 0.0
    for text in PARITY_TEXTS["paraphrase"]:
        ids = np.array([tok(text, truncation=True, max_length=c.source_length)["input_ids"]])
        bias = np.zeros(ids.shape, np.float32)
        states = sessions["encoder"].run(None, {"ids": ids, "mask": np.ones(ids.shape, np.float32)})[0]
        *fixed, keys, values, top, score = sessions["prefix"].run(None, {"states": states, "bias": bias, "source_ids": ids})
        written, total = [int(top[0, 0])], float(score[0, 0])
        while written[-1] != tok.sep_token_id and len(written) < c.max_canvas - 1:
            keys, values, top, score = sessions["next"].run(None, {
                "ids": np.array([[written[-1]]]), "past_keys": keys, "past_values": values, **dict(zip(CONSTANTS, fixed)),
                "bias": bias, "source_ids": ids})
            written.append(int(top[0, 0]))
            total += float(score[0, 0])
        source_ids = torch.from_numpy(ids)
        reference = beam_search(model, encoder(source_ids), torch.ones(ids.shape), source_ids, tok.cls_token_id, tok.sep_token_id, c.max_canvas, 1)[0]
        if reference and reference[0][1] == written[:-1]:
            equal += 1
            worst = max(worst, abs(total - reference[0][0] * len(written) ** 0.7))
    return {"texts": len(PARITY_TEXTS["paraphrase"]), "equal": equal, "max_abs_log_probability_error": worst}
