"""A decoder trained further, put into a models folder in the place of the one that its bundles share."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

from .config import ModelConfig
from .encoder import FrozenEncoder
from .export import PARITY_TEXTS, TABLE_FILE, describe, open_session
from .graphs import export_decoder
from .quantise import share_table, store_int8, strip_metadata, table_to_int8
from .shortlist import SHORTLIST_FILE, shortlist_settings, write_shortlist
from .train_decoder import load_decoder

ALPHA = 0.5  # of the latents that the graphs are compared on


def decoder_parity(encoder: FrozenEncoder, decoder, fp32: Path, stored: Path) -> dict:
    """Both graphs against PyTorch on noised latents of texts, each its own source: tokens equal, largest difference of a probability."""
    texts = [text for each in PARITY_TEXTS.values() for text in each]
    ids = encoder.tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    mask = (ids != encoder.pad_id).float()
    with torch.no_grad():
        z = encoder(ids)
        x = ALPHA**0.5 * z + (1 - ALPHA) ** 0.5 * torch.randn(z.shape, generator=torch.Generator().manual_seed(5))
        best = decoder(encoder.denormalise(x), encoder.denormalise(z), mask).softmax(-1).max(-1)
    feeds = {"x": x.numpy(), "states": z.numpy(), "bias": ((1 - mask) * -1e9).numpy()}
    found = {}
    # The place after [CLS] is forced to a word in the graphs, which the module leaves to its caller.
    places = (mask.numpy() > 0) & (np.arange(ids.shape[1]) != 1)
    for name, path in (("fp32", fp32), ("stored", stored)):
        read, probability = open_session(path).run(None, feeds)
        found[f"{name}_tokens_equal"] = float((read == best.indices.numpy())[places].mean())
        found[f"{name}_max_probability_error"] = float(np.abs(probability - best.values.numpy())[places].max())
    return found


def replace_decoder(models: Path, checkpoint: Path, stats: Path) -> dict:
    """Writes decoder.onnx and its shortlist (the same ids and bonus) and enters both in the cards. Encoder and statistics must be the bundles' own."""
    shared = models / "shared"
    config = ModelConfig.from_json(torch.load(checkpoint, weights_only=True)["config"])
    encoder = FrozenEncoder(config.encoder, config.layer).load_statistics(stats)
    decoder = load_decoder(checkpoint, encoder)
    table = encoder.word_embeddings.detach().numpy()
    rows, scales = table_to_int8(table)
    if (shared / TABLE_FILE).read_bytes() != rows.tobytes() + scales.tobytes():
        raise SystemExit(f"{TABLE_FILE} is not the table of {config.encoder}")
    kept, bonus = shortlist_settings(shared / SHORTLIST_FILE)
    with tempfile.TemporaryDirectory() as scratch:
        fp32 = export_decoder(encoder, decoder, config, Path(scratch), never_empty=True)
        model = onnx.load(str(fp32))
        share_table(model, table, rows, scales, TABLE_FILE)
        store_int8(model)
        strip_metadata(model)
        (shared / "decoder.onnx").write_bytes(model.SerializeToString(deterministic=True))
        report = decoder_parity(encoder, decoder, fp32, shared / "decoder.onnx")
    for card in sorted(models.glob("*/bundle.json")):
        bundle = json.loads(card.read_text())
        bundle["files"]["decoder"] = describe(card.parent, shared / "decoder.onnx")
        bundle["parity"] |= {"decoder": report, "note": "of the trajectory: with the decoder before the present one"}
        card.write_text(json.dumps(bundle, indent=1) + "\n")
    return {**report, **write_shortlist(models, kept, bonus)}
