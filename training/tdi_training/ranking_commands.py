"""Arguments of the commands that collect a server's samples and fit what ranks them."""

from __future__ import annotations

import json
import os
from pathlib import Path


def add_ranking_commands(commands) -> None:
    p = commands.add_parser("candidates", help="a running server's samples for the sources of a file, to fit a ranker on; the same command again goes on")
    p.add_argument("input", help="a file of {src, trg}")
    p.add_argument("--url", required=True)
    p.add_argument("--out", required=True, help="JSON lines {src, trg, candidates}")
    p.add_argument("--rows", type=int, default=6000)
    p.add_argument("--skip", type=int, default=0, help="rows to pass over, in the order of --seed or of the file")
    p.add_argument("--seed", type=int, help="draws the rows; in the file's order when absent")
    p.add_argument("--steps", default="4,4,4,4,8,8,12,16", help="one sample of each")
    p.add_argument("--batch", type=int, default=32, help="texts a request")
    p.set_defaults(run=candidates_command)

    p = commands.add_parser("fit-ranker", help="a small network that chooses among paraphrases, as a graph of the bundle")
    p.add_argument("input", help="a file of candidates")
    p.add_argument("--valid", required=True, help="another")
    p.add_argument("--same", required=True, help="a file of pairs that say the same")
    p.add_argument("--different", required=True, help="a file of pairs that do not")
    p.add_argument("--pairs", type=int, default=20000, help="pairs of each at most")
    p.add_argument("--stats", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2")
    p.add_argument("--layer", type=int, default=4)
    p.add_argument("--epochs", type=int, default=6)
    p.add_argument("--likeness", type=float, default=0.2, help="what overlap with the source costs, against overlap with the reference")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, help="the graph, an ONNX file; its weights are kept beside it as .pt")
    p.add_argument("--bundle", help="a bundle that exists, to put the graph into")
    p.set_defaults(run=fit_command)


    p = commands.add_parser("fit-acceptability", help="a small network that tells whether a text reads well, as a graph of the bundle")
    p.add_argument("inputs", nargs="+", help="files of pairs, each optionally file:n to read every n-th line")
    p.add_argument("--stats", required=True)
    p.add_argument("--encoder", default="all-MiniLM-L6-v2")
    p.add_argument("--layer", type=int, default=4)
    p.add_argument("--minutes", type=float, default=12)
    p.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="of products: bf16 where this CPU multiplies it faster")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, help="the graph, an ONNX file; its weights are kept beside it as .pt")
    p.add_argument("--bundle", help="a bundle that exists, to put the graph into")
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--init", type=Path, help="weights (.pt) to go on from")
    p.set_defaults(run=acceptability_command)


def candidates_command(args) -> None:
    import numpy as np

    from .data import read_pairs
    from .evaluate import post

    pairs = read_pairs(Path(args.input))
    order = range(len(pairs)) if args.seed is None else np.random.default_rng(args.seed).permutation(len(pairs))
    picked = [pairs[i] for i in order[args.skip : args.skip + args.rows]]
    out = Path(args.out)
    done = len(out.read_text().splitlines()) if out.exists() else 0
    steps = [int(n) for n in args.steps.split(",")]
    with out.open("a") as file:
        for start in range(done, len(picked), args.batch):
            rows = picked[start : start + args.batch]
            body = {"text": [source for source, _ in rows], "truncation": "end", "best_of": 1, "ranking": "confidence"}
            found = [[each["text"] for each in post(f"{args.url.rstrip('/')}/paraphrase", {**body, "steps": n, "seed": sample})["results"]]
                     for sample, n in enumerate(steps)]
            for (source, target), texts in zip(rows, zip(*found)):
                file.write(json.dumps({"src": source, "trg": target, "candidates": list(dict.fromkeys(texts))}, ensure_ascii=False) + "\n")
            file.flush()
    print(len(picked), "rows")


def fit_command(args) -> None:
    import torch

    from .encoder import FrozenEncoder
    from .ranker import Groups, export, fit, pairs_of

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    encoder = FrozenEncoder(args.encoder, args.layer).load_statistics(Path(args.stats))
    groups, valid = (Groups(Path(path), encoder, args.likeness) for path in (args.input, args.valid))
    pairs = pairs_of([(Path(args.same), 1), (Path(args.different), 0)], encoder, args.pairs, args.seed)
    model, report = fit(groups, pairs, valid, args.epochs, args.seed)
    torch.save(model.state_dict(), Path(args.out).with_suffix(".pt"))
    print(json.dumps({**report, **export(model, valid, Path(args.out))}, indent=1))
    if args.bundle:
        enter(Path(args.out), Path(args.bundle), "ranker")


def acceptability_command(args) -> None:
    import torch

    from .acceptability import export, fit, tokens_of
    from .data import weighted_paths
    from .encoder import FrozenEncoder

    torch.set_num_threads(args.threads)
    encoder = FrozenEncoder(args.encoder, args.layer).load_statistics(Path(args.stats))
    sentences = tokens_of(weighted_paths(args.inputs), encoder.tokenizer, args.seed)
    model, report = fit(encoder, sentences, args.seed, args.minutes, rate=args.rate, precision=args.precision, init=args.init)
    torch.save(model.state_dict(), Path(args.out).with_suffix(".pt"))
    print(json.dumps({**report, **export(model, encoder, sentences, Path(args.out))}, indent=1))
    if args.bundle:
        enter(Path(args.out), Path(args.bundle), "acceptability")


def enter(graph: Path, bundle: Path, role: str) -> None:
    """Copies a graph into a bundle and its card."""
    from .export import describe

    card = json.loads((bundle / "bundle.json").read_text())
    (bundle / f"{role}.onnx").write_bytes(graph.read_bytes())
    card["files"][role] = describe(bundle, bundle / f"{role}.onnx")
    (bundle / "bundle.json").write_text(json.dumps(card, indent=1) + "\n")
