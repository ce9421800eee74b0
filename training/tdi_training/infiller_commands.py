"""Arguments of the command that fits an infiller and puts it into a bundle."""

from __future__ import annotations

import json
import os
from pathlib import Path


def add_infiller_commands(commands) -> None:
    p = commands.add_parser("fit-infiller", help="a small network that fills the blanks of a draft in, as a graph of the bundle; the same command again goes on")
    p.add_argument("inputs", nargs="+", help="files of pairs, read both ways")
    p.add_argument("--valid", required=True, help="another; read one way")
    p.add_argument("--prepared", nargs="*", default=[], help="prepared folders, read one way")
    p.add_argument("--candidates", nargs="*", default=[], help="files of own-samples or candidates: those that read well are targets too")
    p.add_argument("--judge", help="weights that fit-acceptability kept (.pt), for --candidates")
    p.add_argument("--least", type=int, default=25, help="times that a token occurs in targets to be chosen from")
    p.add_argument("--bundle", required=True, help="a bundle that exists; the graph goes beside the vocabulary's table that it reads from")
    add_fit_arguments(p, minutes=60, rate=1.5e-3, batch=64)
    p.set_defaults(run=infiller_command)


def add_fit_arguments(p, minutes: float, rate: float, batch: int) -> None:
    """Arguments of a command that fits such a network."""
    p.add_argument("--stats", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2")
    p.add_argument("--layer", type=int, default=4)
    p.add_argument("--minutes", type=float, default=minutes)
    p.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of one thread each that share the weights")
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--rate", type=float, default=rate)
    p.add_argument("--batch", type=int, default=batch, help="pairs of a worker's step")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--checkpoint", required=True, help="where the weights are kept (.pt)")


def infiller_command(args) -> None:
    import torch

    from .encoder import FrozenEncoder
    from .export import describe
    from .infiller import drafts_around, export
    from .train_infiller import InfillerOptions, examples, fit

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    encoder = FrozenEncoder(args.encoder, args.layer).load_statistics(Path(args.stats))
    paths = lambda names: [Path(name) for name in names]  # noqa: E731
    if args.candidates and not args.judge:
        raise SystemExit("--candidates needs a --judge")
    pairs, valid = examples(encoder, paths(args.inputs), Path(args.valid), paths(args.prepared), paths(args.candidates), args.judge and Path(args.judge))
    options = InfillerOptions(args.minutes, args.batch, args.rate, least=args.least, precision=args.precision, workers=args.workers, seed=args.seed)
    model = fit((args.encoder, args.layer, Path(args.stats)), pairs, valid, Path(args.checkpoint), options)
    bundle = Path(args.bundle)
    card = json.loads((bundle / "bundle.json").read_text())
    embeddings = (bundle / card["files"]["embeddings"]["path"]).resolve()
    out = embeddings.with_name("infiller.onnx")
    cases = [(drafts_around(target, encoder.tokenizer.mask_token_id), source) for source, target in valid[:16]]
    print(json.dumps(export(model, encoder, cases, embeddings, out), indent=1))
    card["files"]["infiller"] = describe(bundle.resolve(), out)
    (bundle / "bundle.json").write_text(json.dumps(card, indent=1) + "\n")
