"""Arguments of the commands that train a denoiser on the best of its own samples, and put what it learned into a bundle."""

from __future__ import annotations

import json
import os
from pathlib import Path


def add_rejection_commands(commands) -> None:
    p = commands.add_parser("own-samples", help="a denoiser's samples for a prepared folder's pairs, drawn in PyTorch; the same command again goes on")
    p.add_argument("data", help="a prepared folder; either side of a pair may be the source")
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--decoder", required=True)
    p.add_argument("--stats", required=True)
    p.add_argument("--out", required=True, help="JSON lines {src, trg, candidates}, which choose-samples and fit-ranker read")
    p.add_argument("--pairs", type=int, default=10000)
    p.add_argument("--samples", type=int, default=5, help="of each source")
    p.add_argument("--novelty", default="0,0.5", help="bounds of what the samples are led away from their source by")
    p.add_argument("--steps", type=int, default=4)
    p.add_argument("--batch", type=int, default=128, help="sources at a time")
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("--seed", type=int, default=0)
    p.set_defaults(run=own_samples_command)

    p = commands.add_parser("choose-samples", help="of each source's samples the sound one nearest to the reference, as pairs to train on")
    p.add_argument("inputs", nargs="+", help="files of own-samples or candidates")
    p.add_argument("--judge", required=True, help="weights that fit-acceptability kept (.pt)")
    p.add_argument("--stats", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2")
    p.add_argument("--layer", type=int, default=4)
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("--out", required=True, help="JSON lines {src, trg}")
    p.set_defaults(run=choose_samples_command)

    p = commands.add_parser("adapt-bundle", help="the adapters of a run with --adapter-rank into the bundle that it began from")
    p.add_argument("bundle", help="a bundle's folder")
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--decoder", required=True)
    p.add_argument("--stats", required=True)
    p.set_defaults(run=adapt_bundle_command)

    p = commands.add_parser("fold-bundle", help="the denoiser of a bundle exported before `export` did so, with what a step must not unpack unpacked at load")
    p.add_argument("bundle", help="a bundle's folder")
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer reads the texts that it is tried on")
    p.set_defaults(run=fold_bundle_command)


def own_samples_command(args) -> None:
    import torch

    from .data import PackedPairs
    from .encoder import FrozenEncoder
    from .own_samples import draw
    from .train import load_denoiser
    from .train_decoder import load_decoder

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model = load_denoiser(Path(args.checkpoint))
    encoder = FrozenEncoder(model.config.encoder, model.config.layer).load_statistics(Path(args.stats))
    low, high = (float(share) for share in args.novelty.split(","))
    drawn = draw(model, load_decoder(Path(args.decoder), encoder), encoder, PackedPairs(Path(args.data)), args.pairs, args.samples, (low, high), args.seed,
                 Path(args.out), args.steps, args.batch, args.precision)
    print(drawn, "sources")


def choose_samples_command(args) -> None:
    import torch

    from .acceptability import Acceptability
    from .encoder import FrozenEncoder
    from .rejection import choose

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    encoder = FrozenEncoder(args.encoder, args.layer).load_statistics(Path(args.stats))
    judge = Acceptability(encoder.hidden)
    judge.load_state_dict(torch.load(args.judge, weights_only=True))
    print(json.dumps(choose([Path(path) for path in args.inputs], judge.eval(), encoder, Path(args.out)), indent=1))


def fold_bundle_command(args) -> None:
    from .fold import fold_bundle

    print(json.dumps(fold_bundle(Path(args.bundle), args.encoder), indent=1))


def adapt_bundle_command(args) -> None:
    from .adapted import adapt_bundle

    print(json.dumps(adapt_bundle(Path(args.bundle), Path(args.checkpoint), Path(args.stats), Path(args.decoder)), indent=1))
