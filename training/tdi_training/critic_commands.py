"""Arguments of the command that fits a critic and puts it into a bundle."""

from __future__ import annotations

import json
from pathlib import Path

from .infiller_commands import add_fit_arguments


def add_critic_commands(commands) -> None:
    p = commands.add_parser("fit-critic", help="a network that tells people's rewordings of a source from others, as a graph of the bundle; the same command again goes on")
    p.add_argument("inputs", nargs="+", help="files of pairs, read both ways")
    p.add_argument("--valid", required=True, help="another; read one way")
    p.add_argument("--prepared", nargs="*", default=[], help="prepared folders, read one way")
    p.add_argument("--candidates", nargs="+", required=True, help="files of own-samples or candidates, to be told from their targets; every fortieth group is held out")
    p.add_argument("--infiller", required=True, help="the checkpoint of fit-infiller (.pt)")
    p.add_argument("--out", required=True, help="the graph, an ONNX file")
    p.add_argument("--bundle", help="a bundle that exists, to put the graph into")
    add_fit_arguments(p, minutes=60, rate=6e-4, batch=32)
    p.set_defaults(run=critic_command)


def critic_command(args) -> None:
    import torch

    from .critic import export
    from .encoder import FrozenEncoder
    from .ranking_commands import enter
    from .train_critic import CriticOptions, fit, groups_of
    from .train_infiller import examples

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    encoder = FrozenEncoder(args.encoder, args.layer).load_statistics(Path(args.stats))
    paths = lambda names: [Path(name) for name in names]  # noqa: E731
    pairs, valid = examples(encoder, paths(args.inputs), Path(args.valid), paths(args.prepared), [], None)
    groups, held = groups_of(encoder, paths(args.candidates))
    options = CriticOptions(args.minutes, args.batch, args.rate, precision=args.precision, workers=args.workers, seed=args.seed)
    critic = fit((args.encoder, args.layer, Path(args.stats)), Path(args.infiller), pairs, groups, (valid, held), Path(args.checkpoint), options)
    print(json.dumps(export(critic, encoder, valid, Path(args.out)), indent=1))
    if args.bundle:
        enter(Path(args.out), Path(args.bundle), "critic")
