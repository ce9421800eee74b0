"""Arguments of the commands that train the autoregressive baseline, score it and distil from it."""

from __future__ import annotations

import json
import os
from pathlib import Path


def add_autoregressive_commands(commands) -> None:
    p = commands.add_parser("train-autoregressive", help="the autoregressive baseline; the same command again resumes it")
    p.add_argument("data", nargs="+", help="prepared folders, each optionally folder:weight")
    p.add_argument("--preset", default="compact-qqp", help="the denoiser's preset, whose size the baseline takes")
    p.add_argument("--stats", required=True)
    p.add_argument("--valid", required=True)
    p.add_argument("--valid-text", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--ema", type=float, default=0.99)
    p.add_argument("--token-dropout", type=float, default=0.1, help="source positions hidden in training, against copying")
    p.add_argument("--no-swap", action="store_true")
    p.add_argument("--crops", default="", help="source lengths to draw from a batch at a time")
    p.add_argument("--widths", default="16,24,32,48")
    p.add_argument("--init", help="an earlier baseline's ema.pt to start from")
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("--rows", type=int, default=512, help="validation rows to generate at the end")
    p.add_argument("--seed", type=int, default=0)
    p.set_defaults(run=train_command)

    p = commands.add_parser("generate-autoregressive", help="generate validation rows with the baseline and score them")
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--stats", required=True)
    p.add_argument("--valid", required=True)
    p.add_argument("--valid-text", required=True)
    p.add_argument("--rows", type=int, default=10**9)
    p.add_argument("--beams", default="1,4")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.set_defaults(run=generate_command)

    p = commands.add_parser("export-autoregressive", help="the baseline as ONNX graphs with a key-value cache, for `npm run bench`")
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--stats", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--precision", choices=("fp32", "int8-stored"), default="int8-stored")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.set_defaults(run=export_command)

    p = commands.add_parser("distil", help="a prepared folder whose targets are the baseline's own (arXiv 1606.07947)")
    p.add_argument("data", help="prepared folder of pairs")
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--stats", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--beams", type=int, default=4)
    p.add_argument("--rows", type=int, help="as many rows, drawn at random; all unless given")
    p.add_argument("--highest", type=float, default=0.88, help="greatest similarity of a target to its source")
    p.add_argument("--lowest", type=float, default=0.4)
    p.add_argument("--reference-weight", type=float, default=0.5, help="similarity to the reference against the model's own score")
    p.add_argument("--shortest", type=float, default=0.8, help="least length of a target, as a share of its source's")
    p.add_argument("--minutes", type=float, default=1e9, help="stop after this long and keep what there is")
    p.add_argument("--length-power", type=float, default=0.7, help="scores are log p / length^this; a larger one prefers longer texts")
    p.add_argument("--skip", type=int, default=0, help="rows to pass over, which an earlier call has asked")
    p.add_argument("--part", default="0/1", help="k/n: the k-th of n parts of the rows, for several processes")
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--only-sound", action="store_true", help="targets with the numbers, the negation and the end mark of their source")
    p.add_argument("--sides", default="src,trg", help="sides that serve as source")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.set_defaults(run=distil_command)


def _model(args):
    from .encoder import FrozenEncoder
    from .train_autoregressive import load_autoregressive

    import torch

    from .config import ModelConfig

    torch.set_num_threads(args.threads)
    config = ModelConfig.from_json(torch.load(args.checkpoint, weights_only=True, map_location="cpu")["config"])
    encoder = FrozenEncoder(config.encoder, config.layer).load_statistics(Path(args.stats))
    return load_autoregressive(Path(args.checkpoint), encoder), encoder


def train_command(args) -> None:
    import torch

    from .batches import BatchOptions
    from .config import load_config
    from .data import read_texts, weighted_paths
    from .train_autoregressive import train_autoregressive

    torch.set_num_threads(args.threads)
    options = BatchOptions(batch=args.batch, swap=not args.no_swap, slack=1, source_dropout=0.0, token_dropout=args.token_dropout,
                           widths=tuple(int(w) for w in args.widths.split(",")), crops=tuple(int(c) for c in args.crops.split(",") if c))
    train_autoregressive(load_config(args.preset), Path(args.stats), weighted_paths(args.data), Path(args.valid), read_texts(Path(args.valid_text)), Path(args.out),
                         args.minutes, options, args.lr, args.muon_lr, args.ema, args.workers, args.rows, args.seed,
                         Path(args.init) if args.init else None, args.precision)


def generate_command(args) -> None:
    from .data import PackedPairs, read_texts
    from .train_autoregressive import score

    model, encoder = _model(args)
    beams = tuple(int(n) for n in args.beams.split(","))
    print(json.dumps(score(model, encoder, PackedPairs(Path(args.valid)), read_texts(Path(args.valid_text)), args.rows, beams), indent=1))


def export_command(args) -> None:
    from .autoregressive_export import export_autoregressive

    model, encoder = _model(args)
    print(json.dumps(export_autoregressive(model, encoder, Path(args.out), args.precision), indent=1))


def distil_command(args) -> None:
    from .data import PackedPairs
    from .distil import distil

    model, encoder = _model(args)
    model = model.bfloat16() if args.precision == "bf16" else model
    part, parts = (int(n) for n in args.part.split("/"))
    report = distil(model, encoder, PackedPairs(Path(args.data)), Path(args.out), args.beams, args.rows, args.lowest, args.highest,
                    args.minutes, part, parts, tuple(args.sides.split(",")), args.reference_weight, args.shortest, args.length_power, args.skip, args.only_sound)
    print(json.dumps(report, indent=1))
