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
