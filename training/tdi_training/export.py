"""A model bundle for the server: ONNX graphs, tokenizer, card with checksums; and proof that the graphs are the model."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

from .decoder import begin_with_a_word
from .encoder import FrozenEncoder, resolve_encoder
from .graphs import export_graphs
from .loop import write_loop
from .quantise import quantise_matmuls, share_table, store_int8, strip_metadata, table_to_int8
from .sample import sample, solver_coefficients
from .schedule import NoiseSchedule, time_grid
from .train import load_denoiser
from .train_decoder import load_decoder

FORMAT = 1
TABLE_FILE = "embeddings.int8.bin"
SHARED_ROLES = ("encoder", "decoder")


def open_session(model: Path | bytes, threads: int = 2, trace: Path | None = None, products: str = "fp32"):
    """A graph's session on the CPU; `products` of its int8 weights as the server's --products. With `trace` the runtime writes there how long each operator took."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if trace:
        options.enable_profiling = True
        options.profile_file_prefix = str(trace)
    options.log_severity_level = 3
    # As the server does (src/model/session.ts): in fp32 the weights are unpacked and no activation is rounded.
    options.add_session_config_entry("session.disable_quant_qdq", "0" if products == "int8" else "1")
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


def onnx_trajectory(folder: dict[str, Path], ids: np.ndarray, pad: int, canvas: int, coefficients, schedule: NoiseSchedule,
                    precondition: bool, noise: list[np.ndarray], products: str = "fp32"):
    """Sample with the graphs alone, as the server does. Returns the last x [B, L, H] and the token ids [B, L]."""
    sessions = {name: open_session(path, products=products) for name, path in folder.items()}
    mask = (ids != pad).astype(np.float32)
    bias = ((1.0 - mask) * -1e9).astype(np.float32)
    states = sessions["encoder"].run(None, {"ids": ids, "mask": mask})[0]
    keys, values = sessions["condition"].run(None, {"states": states})
    b = len(ids)
    x, draw = noise[0], iter(noise[1:])
    previous = np.zeros_like(x)
    index = np.arange(b)
    for t, cx, c0, cp, cn in coefficients:
        alpha = float(schedule.alpha(torch.tensor(t, dtype=torch.float64)))
        skip, scale = (alpha**0.5, (1 - alpha) ** 0.5) if precondition else (0.0, 1.0)
        row = np.tile(np.array([[cx, c0, cp, cn, skip, scale]], dtype=np.float32), (b, 1))
        fresh = next(draw) if cn else np.zeros_like(x)
        x, previous = sessions["denoiser"].run(None, {
            "x": x, "previous": previous, "t": np.full(b, t, dtype=np.float32), "keys": keys, "values": values, "bias": bias,
            "coefficients": row, "noise": fresh, "positive": index, "negative": index, "guidance": np.zeros(b, dtype=np.float32)})
    return x, sessions["decoder"].run(None, {"x": x, "states": states, "bias": bias})[0]


def parity(encoder: FrozenEncoder, denoiser, decoder, fp32: dict[str, Path], final: dict[str, Path], texts: list[str],
           solver: str = "ddim", steps: int = 16, never_empty: bool = False) -> dict:
    """Largest absolute difference of a whole trajectory, fp32 graphs against PyTorch, and what the shipped graphs change. Beside it
    what fp32 itself costs on that trajectory: PyTorch in fp32 against PyTorch in fp64, from the same states and noise."""
    c = denoiser.config
    schedule = NoiseSchedule(c.schedule, c.schedule_d)
    coefficients = solver_coefficients(solver, schedule, time_grid(steps, schedule, "logsnr"))
    batch = encoder.tokenizer(texts, padding=True, return_tensors="pt", truncation=True, max_length=c.source_length)
    ids = batch["input_ids"]
    canvas = c.canvases[-1]
    noise = [torch.randn(len(texts), canvas, c.hidden, generator=torch.Generator().manual_seed(5))]
    mask = (ids != encoder.pad_id).float()
    with torch.no_grad():
        source = encoder(ids)
        reference = sample(denoiser, source, mask, canvas, coefficients, noise=noise)
        exact = sample(copy.deepcopy(denoiser).double(), source.double(), mask.double(), canvas, coefficients, noise=[n.double() for n in noise])
        logits = decoder(encoder.denormalise(reference), encoder.denormalise(source), mask)
        tokens = (begin_with_a_word(logits, encoder.is_special) if never_empty else logits).argmax(-1).numpy()
    arrays = [n.numpy() for n in noise]
    x, ids32 = onnx_trajectory(fp32, ids.numpy(), encoder.pad_id, canvas, coefficients, schedule, c.precondition, arrays)
    y, ids8 = onnx_trajectory(final, ids.numpy(), encoder.pad_id, canvas, coefficients, schedule, c.precondition, arrays)
    return {
        "solver": solver, "steps": steps, "rows": len(texts),
        "fp32_max_abs_error": float(np.abs(x - reference.numpy()).max()),
        "pytorch_fp32_to_fp64_max_abs_error": float((exact - reference.double()).abs().max()),
        "fp32_tokens_equal": float((ids32 == tokens).mean()),
        "shipped_mean_abs_difference": float(np.abs(y - reference.numpy()).mean()),
        "shipped_tokens_equal": float((ids8 == tokens).mean()),
    }


# What each task is for: a text from outside may set the trajectory where rounding alone moves it (PyTorch's fp32 differed from its
# own fp64 by 2.4e-3 on a news sentence given to a paraphraser of questions, by 2e-5 on the questions).
PARITY_TEXTS = {
    "paraphrase": [
        "How can I learn to play the guitar by myself?", "What is the best way to cook rice?", "Why do cats purr when they sleep?",
        "Which phone should I buy in 2017 under 300 dollars?", "How long does it take an engineer to check a bridge?",
        "Is it true that honey never spoils?", "How do I get from London to Paris by train?", "Who was the first woman to fly a plane alone?",
    ],
    "summarize": [
        "The council said the bridge would stay closed until engineers had checked it. It was shut on Monday after cracks were found.",
        "A man has been arrested after a car was driven into a shop in the early hours. Nobody was hurt, police said.",
        "The club has signed the striker on a three-year deal for an undisclosed fee. He scored 14 goals last season.",
        "Train drivers will strike for two days next month in a dispute over pay, their union has announced.",
        "Scientists say they have found the oldest known fossil of a flowering plant in a quarry in northern Spain.",
        "The company reported a rise in profits of 12% and said that it would open forty stores by the end of the year.",
        "Heavy rain has caused flooding in several towns. Dozens of people were moved from their homes overnight.",
        "The film won three awards, among them best director. Its leading actress said that she had not expected it.",
    ],
}


def describe(root: Path, path: Path) -> dict:
    data = path.read_bytes()
    relative = path.name if path.parent == root else f"../{path.parent.name}/{path.name}"
    return {"path": relative, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def tokens_of(encoder: FrozenEncoder) -> dict:
    """The special token ids that the server must know."""
    tok = encoder.tokenizer
    return {"pad": tok.pad_token_id, "cls": tok.cls_token_id, "sep": tok.sep_token_id, "unk": tok.unk_token_id,
            **({} if tok.mask_token_id is None else {"mask": tok.mask_token_id}), "special": sorted(set(tok.all_special_ids))}


def _write(path: Path, data: bytes, replace: bool) -> None:
    """A file that bundles share is written once: another bundle's card already holds its checksum."""
    if not replace and path.exists() and path.read_bytes() != data:
        raise SystemExit(f"{path.name} in the shared folder differs; give --replace-shared and export every bundle again")
    path.write_bytes(data)


def export_bundle(args) -> None:
    """The `export` command. Shared files (encoder, decoder, tokenizer, table, lexicon, token pairs) go to a folder beside the bundle and
    must come out the same when a second task is exported against them."""
    from .fold import products_report
    from .shortlist import shortlist_entry

    out = Path(args.out)
    shared = Path(args.shared) if args.shared else out
    out.mkdir(parents=True, exist_ok=True)
    shared.mkdir(parents=True, exist_ok=True)
    denoiser = load_denoiser(Path(args.checkpoint))
    c = denoiser.config
    encoder = FrozenEncoder(c.encoder, c.layer).load_statistics(Path(args.stats))
    decoder = load_decoder(Path(args.decoder), encoder)
    card = json.loads(Path(args.card).read_text()) if args.card else {}
    table = encoder.word_embeddings.detach().numpy()
    rows, scales = table_to_int8(table)
    with tempfile.TemporaryDirectory() as scratch:
        fp32 = export_graphs(encoder, denoiser, decoder, Path(scratch), never_empty=True)
        final: dict[str, Path] = {}
        _write(shared / TABLE_FILE, rows.tobytes() + scales.tobytes(), args.replace_shared)
        for name, path in fp32.items():
            model = onnx.load(str(path))
            if args.precision != "fp32":
                if name in SHARED_ROLES:
                    share_table(model, table, rows, scales, TABLE_FILE)
                (quantise_matmuls if args.precision == "int8" else store_int8)(model)
            strip_metadata(model)
            final[name] = (shared if name in SHARED_ROLES else out) / f"{name}.onnx"
            _write(final[name], model.SerializeToString(deterministic=True), args.replace_shared or final[name].parent == out)
        report = parity(encoder, denoiser, decoder, fp32, final, PARITY_TEXTS[args.task], never_empty=True)
    print(json.dumps(report, indent=1))
    if args.loop:
        final["denoiser_loop"] = out / "denoiser_loop.onnx"
        write_loop(final["denoiser"], final["denoiser_loop"])
    shutil.copyfile(Path(resolve_encoder(c.encoder)) / "tokenizer.json", shared / "tokenizer.json")
    files = {name: describe(out, path) for name, path in final.items()}
    files["tokenizer"] = describe(out, shared / "tokenizer.json")
    if args.precision != "fp32":
        files["embeddings"] = describe(out, shared / TABLE_FILE)
    for role, name in (("lexicon", "casing.json"), ("bigrams", "bigrams.bin"), ("words", "words.txt")):
        if (shared / name).exists():
            files[role] = describe(out, shared / name)
    for role in ("ranker", "acceptability", "critic"):
        if given := getattr(args, role):
            shutil.copyfile(given, out / f"{role}.onnx")
            files[role] = describe(out, out / f"{role}.onnx")
    if args.infiller:
        _write(shared / "infiller.onnx", Path(args.infiller).read_bytes(), args.replace_shared)
        files["infiller"] = describe(out, shared / "infiller.onnx")
    if entry := shortlist_entry(out, shared):
        files["decoder_shortlist"] = entry
    limits: dict = {"source_tokens": c.source_length}
    if args.selector:
        shutil.copyfile(args.selector, out / "selector.json")
        files["selector"] = describe(out, out / "selector.json")
        if args.scorer:
            shutil.copyfile(args.scorer, out / "sentence_scorer.onnx")
            files["sentence_scorer"] = describe(out, out / "sentence_scorer.onnx")
        limits = {"source_tokens": args.text_tokens, "read_tokens": c.source_length}
    bundle = {
        "format": FORMAT, "task": args.task, "name": card.get("name", f"{args.task}-tencdm"), "revision": card.get("revision", "1"),
        "language": card.get("language", "en"), "licence": card.get("licence", "Apache-2.0"), "precision": args.precision,
        "providers": ["cpu"] if args.precision != "fp32" else ["cpu", "cuda"],
        "model": {"hidden": c.hidden, "layers": c.layers, "heads": c.heads, "precondition": c.precondition},
        "schedule": {"name": c.schedule, "d": c.schedule_d},
        "defaults": card.get("defaults", {"solver": "ddim", "grid": {"name": "logsnr", "log_snr_min": -9.0, "log_snr_max": 4.0},
                                          "steps": 16, "guidance": 0.0}),
        "limits": {**limits, "canvases": list(c.canvases), "max_steps": 200, "max_guidance": 10.0},
        "canvas_rule": card.get("canvas_rule", {"ratio": 1.15, "extra": 1}),
        "tokens": tokens_of(encoder),
        "files": files, "parity": report, "provenance": card.get("provenance", {}), "scores": card.get("scores", {}),
    }
    if args.precision == "int8-weights":
        report.update(products_report(out, bundle, c.encoder))
    (out / "bundle.json").write_text(json.dumps(bundle, indent=1) + "\n")
    print(f"{args.task}: {sum(f['bytes'] for f in files.values()) / 1e6:.1f} MB in {len(files)} files")
