"""Arguments of the commands that fit a sentence selector and apply it to files."""

from __future__ import annotations

import json
from pathlib import Path


def add_selection_commands(commands) -> None:
    p = commands.add_parser("fit-selector", help="the linear sentence selector of a summary model, from files of {document, summary}")
    p.add_argument("inputs", nargs="+", help="files, each optionally file:weight")
    p.add_argument("--out", required=True, help="the selector, a JSON file of the bundle")
    p.add_argument("--rows", type=int, default=16000, help="documents of each file at most")
    p.add_argument("--budget", type=int, default=64, help="tokens that a selected text may have")
    p.add_argument("--exclude-sources", default="", help="comma-separated values of the rows' `source` field to leave out")
    p.set_defaults(run=fit_command)

    p = commands.add_parser("select", help="write a file of {document, summary} with what the selector leaves of each document")
    p.add_argument("input")
    p.add_argument("--selector", required=True)
    p.add_argument("--out", required=True, help="a .jsonl.gz file")
    p.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose tokenizer counts")
    p.add_argument("--exclude-sources", default="")
    p.add_argument("--lead", action="store_true", help="the best sentence takes the summary's place")
    p.set_defaults(run=select_command)

    p = commands.add_parser("encode-sentences", help="the sentences of a file of {document, summary} as a scorer is trained on them")
    p.add_argument("input")
    p.add_argument("--stats", required=True)
    p.add_argument("--out", required=True, help="a .npz file")
    p.add_argument("--encoder", default="all-MiniLM-L6-v2")
    p.add_argument("--layer", type=int, default=4)
    p.add_argument("--rows", type=int, help="documents at most")
    p.add_argument("--exclude-sources", default="")
    p.set_defaults(run=encode_command)

    p = commands.add_parser("fit-scorer", help="a small network that chooses sentences by what they say, as a graph of the bundle")
    p.add_argument("inputs", nargs="+", help="files of encode-sentences, each optionally file:weight")
    p.add_argument("--valid", nargs="+", required=True, help="files of encode-sentences")
    p.add_argument("--epochs", type=int, default=6)
    p.add_argument("--members", type=int, default=3, help="networks whose log-probabilities are averaged")
    p.add_argument("--out", required=True, help="the graph, an ONNX file")
    p.set_defaults(run=fit_scorer_command)


def fit_command(args) -> None:
    from .data import names, weighted_paths
    from .selection import fit

    selector = fit(weighted_paths(args.inputs), names(args.exclude_sources), args.rows, args.budget)
    Path(args.out).write_text(json.dumps(selector, indent=1) + "\n")
    print(json.dumps(selector["features"], indent=1))


def select_command(args) -> None:
    from .data import names
    from .encoder import load_tokenizer
    from .selection import select_file

    selector = json.loads(Path(args.selector).read_text())
    print(select_file(Path(args.input), Path(args.out), selector, load_tokenizer(args.encoder), names(args.exclude_sources), args.lead), "documents")


def encode_command(args) -> None:
    from .data import names
    from .encoder import FrozenEncoder
    from .scorer import encode_documents

    encoder = FrozenEncoder(args.encoder, args.layer).load_statistics(Path(args.stats))
    print(encode_documents(Path(args.input), encoder, Path(args.out), names(args.exclude_sources), args.rows), "documents")


def fit_scorer_command(args) -> None:
    from .data import weighted_paths
    from .scorer import fit_scorer

    print(json.dumps(fit_scorer(weighted_paths(args.inputs), [Path(p) for p in args.valid], args.epochs, args.members, Path(args.out)), indent=1))
