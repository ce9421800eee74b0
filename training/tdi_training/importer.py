"""Import of a published TEncDM into a bundle: fp32 graphs of the project's own modules, holding the published weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import onnx
import torch

from .config import ModelConfig
from .decoder import Decoder
from .denoiser import Denoiser
from .export import FORMAT, PARITY_TEXTS, describe, parity, tokens_of
from .graphs import NormaliserGraph, export_graphs
from .published import Published, Refusal, read_published
from .quantise import strip_metadata

LOGITS = "logits"


def build_denoiser(published: Published) -> Denoiser:
    """The paper's denoiser (no preconditioning, no output map) with the published EMA weights, in eval mode."""
    return _load(Denoiser(published.config), published.denoiser, "denoiser")


def build_decoder(published: Published) -> Decoder:
    return _load(Decoder(published.config, published.vocabulary, None), published.decoder, "decoder")


def _load(module, weights, name: str):
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise Refusal(f"the {name}'s weights do not fit its shape: {' '.join(str(error).split())}") from error
    return module.eval()


def recorded_normaliser(published: Published, vectors: Path, pad: int) -> NormaliserGraph:
    """Where there is no encoder, the normaliser takes the special tokens' embeddings from the recorded vectors."""
    from safetensors.torch import load_file

    recorded = load_file(vectors)
    ids = recorded["normalise.special_ids"]
    return NormaliserGraph(published.mean, published.std, ids, recorded["normalise.embeddings"][ids], pad)


def load_encoder(published: Published, name: str, tokenizer: str | None, layer: int):
    """The frozen encoder with the published statistics. Refusal where it cannot be the one that the model was trained on."""
    from .encoder import FrozenEncoder

    encoder = FrozenEncoder(name, layer, tokenizer)
    if encoder.hidden != published.config.hidden:
        raise Refusal(f"the encoder is {encoder.hidden} wide, the denoiser {published.config.hidden}")
    if encoder.vocabulary != published.vocabulary or len(encoder.tokenizer) > published.vocabulary:
        raise Refusal(f"the decoder writes {published.vocabulary} tokens; the encoder has {encoder.vocabulary} and the tokenizer {len(encoder.tokenizer)}")
    backend = json.loads(encoder.tokenizer.backend_tokenizer.to_str())
    if backend["model"]["type"] != "WordPiece":
        raise Refusal(f"the server reads WordPiece tokenizers (BERT's); this one is {backend['model']['type']}")
    encoder.mean.copy_(published.mean)
    encoder.std.copy_(published.std)
    return encoder


def expose_logits(model: onnx.ModelProto, shape: tuple[str, str, int]) -> None:
    """Adds what the decoder's ArgMax reads to its outputs, so that the served graph itself can be checked."""
    (node,) = [node for node in model.graph.node if node.op_type == "ArgMax"]
    model.graph.node.append(onnx.helper.make_node("Identity", [node.input[0]], [LOGITS]))
    model.graph.output.append(onnx.helper.make_tensor_value_info(LOGITS, onnx.TensorProto.FLOAT, shape))


def _write_graphs(encoder, denoiser: Denoiser, decoder: Decoder, out: Path, vocabulary: int) -> dict[str, Path]:
    bare = isinstance(encoder, NormaliserGraph)
    final: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in export_graphs(encoder, denoiser, decoder, Path(scratch)).items():
            model = onnx.load(str(path))
            if bare and name == "decoder":
                expose_logits(model, ("rows", "canvas", vocabulary))
            strip_metadata(model)
            final[name] = out / f"{name}.onnx"
            final[name].write_bytes(model.SerializeToString(deterministic=True))
    return final


def _card(config: ModelConfig, args, files: dict, guidance: float) -> dict:
    return {
        "format": FORMAT, "name": args.name, "precision": "fp32",
        "model": {"hidden": config.hidden, "layers": config.layers, "heads": config.heads, "precondition": config.precondition},
        "schedule": {"name": config.schedule, "d": config.schedule_d}, "files": files,
        "defaults": {"solver": "euler_sde", "grid": {"name": "linear"}, "steps": args.steps, "guidance": guidance},
    }


def import_command(args) -> None:
    """The `import` command. Without an encoder the bundle is for `npm run conformance` only, and the server refuses it."""
    folder, out = Path(args.folder), Path(args.out)
    optional = {name: Path(getattr(args, name)) if getattr(args, name) else None for name in ("checkpoint", "decoder", "config")}
    published = read_published(folder, **optional)
    settings = json.loads((optional["config"] or folder / "config.json").read_text())
    config = published.config
    denoiser, decoder = build_denoiser(published), build_decoder(published)
    for note in published.notes:
        print(f"note: {note}")
    card = {}
    if args.encoder:
        encoder = load_encoder(published, args.encoder, args.tokenizer, args.layer)
        config.encoder, config.layer = args.encoder, args.layer
    else:
        vectors = folder / "vectors.safetensors"
        if not vectors.is_file():
            raise Refusal(f"{folder.name}: give --encoder (a path or a hub id); only a folder with recorded vectors can do without")
        pad = settings.get("pad_token_id", 0)
        encoder = recorded_normaliser(published, vectors, pad)
        card = {"purpose": "conformance", "tokens": {"pad": pad}}
    out.mkdir(parents=True, exist_ok=True)
    graphs = _write_graphs(encoder, denoiser, decoder, out, published.vocabulary)
    files = {name: describe(out, path) for name, path in graphs.items()}
    if args.encoder:
        encoder.tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
        files["tokenizer"] = describe(out, out / "tokenizer.json")
        report = parity(encoder, denoiser, decoder, graphs, graphs, PARITY_TEXTS[args.task])
        print(json.dumps(report, indent=1))
        card = {
            "task": args.task, "revision": args.revision, "language": "en", "licence": args.licence, "providers": ["cpu", "cuda"],
            "limits": {"source_tokens": config.source_length, "canvases": list(config.canvases), "max_steps": 200, "max_guidance": 10.0},
            "canvas_rule": {"ratio": 1.0, "extra": 0}, "tokens": tokens_of(encoder), "parity": report,
            "provenance": {"method": "conditional TEncDM (arXiv 2402.19097), imported", "encoder": args.encoder}, "scores": {},
        }
    card = {**_card(config, args, files, settings.get("cfg_coef", 0.0)), **card}
    (out / "bundle.json").write_text(json.dumps(card, indent=1) + "\n")
    parameters = sum(weight.numel() for weight in published.denoiser.values())
    print(f"{args.name}: {config.layers} blocks of width {config.hidden}, {parameters:,} denoiser parameters, "
          f"{sum(f['bytes'] for f in files.values()) / 1e6:.1f} MB in {len(files)} files{'' if args.encoder else ', for conformance only'}")
