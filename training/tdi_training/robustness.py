"""Texts unlike the training data, through a running server: what survives of numbers, names and negations, by category, and every
output for the eye (training/robustness/sentences.jsonl are our own)."""

from __future__ import annotations

import json
from pathlib import Path

from .evaluate import post
from .faithfulness import faithfulness
from .metrics import is_copy

SENTENCES = Path(__file__).parents[1] / "robustness" / "sentences.jsonl"
KEPT = ("numbers_kept", "names_kept", "negations_kept", "numbers_invented", "names_invented", "negations_invented")


def robustness(url: str, path: Path, body: dict) -> dict:
    """Sends every text of `path` ({category, text} lines) to /paraphrase with `body` (seed 0 unless given). Returns {"model", "request",
    "categories": {name: {rows, refused, copies, empty, …}}, "rows": [{category, text, output or refused}]}."""
    body = {"seed": 0, "truncation": "end", **body}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    model = ""
    for row in rows:
        try:
            reply = post(f"{url.rstrip('/')}/paraphrase", {"text": row["text"], **body})
        except RuntimeError as refusal:
            row["refused"] = str(refusal)
            continue
        model, row["output"] = reply["model"], reply["results"][0]["text"]
    groups = {"all": rows, **{name: [r for r in rows if r["category"] == name] for name in dict.fromkeys(r["category"] for r in rows)}}
    return {"model": model, "request": body, "categories": {name: _summary(group) for name, group in groups.items()}, "rows": rows}


def _summary(rows: list[dict]) -> dict:
    answered = [row for row in rows if "output" in row]
    outputs, sources = [row["output"] for row in answered], [row["text"] for row in answered]
    return {"rows": len(rows), "refused": len(rows) - len(answered), "copies": round(100 * sum(map(is_copy, outputs, sources)) / max(1, len(answered)), 1),
            "empty": sum(not o.strip() for o in outputs), **faithfulness(outputs, sources)}


def write_markdown(report: dict, out: Path) -> None:
    """The table of categories, and below it every text with its output."""
    head = ["category", "rows", "refused", "copies %", "empty", *(name.replace("_", " ") + " %" for name in KEPT)]
    lines = [f"# Texts unlike the training data\n\n`{report['model']}`, request `{json.dumps(report['request'])}`. A share of which there was nothing to count is 0.\n",
             f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, s in report["categories"].items():
        lines.append(f"| {name} | {s['rows']} | {s['refused']} | {s['copies']} | {s['empty']} | {' | '.join(str(s[key]) for key in KEPT)} |")
    lines += ["\n| category | text | output |", "|---|---|---|"]
    cell = lambda text: text.replace("|", "\\|").replace("\n", " ")  # noqa: E731
    lines += [f"| {row['category']} | {cell(row['text'])} | {cell(row.get('output', '(refused)'))} |" for row in report["rows"]]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def add_robustness_command(commands) -> None:
    p = commands.add_parser("robustness", help="texts unlike the training data through a running server; writes a table and every output")
    p.add_argument("--url", default="http://127.0.0.1:8080")
    p.add_argument("--sentences", default=str(SENTENCES))
    p.add_argument("--body", default="{}", help="JSON merged into every request")
    p.add_argument("--out", required=True, help="a markdown file")
    p.set_defaults(run=_run)


def _run(args) -> None:
    report = robustness(args.url, Path(args.sentences), json.loads(args.body))
    write_markdown(report, Path(args.out))
    print(json.dumps(report["categories"]["all"], indent=1))
