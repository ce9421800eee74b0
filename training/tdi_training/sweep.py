"""solver x grid x steps through a running server: scores on the same rows, with intervals by paired bootstrap."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

from tqdm import tqdm

from .bootstrap import SCORES, RowStatistics, compare
from .data import read_pairs
from .evaluate import evaluate_server


def server_default(url: str, task: str) -> dict:
    """The default sampler of the bundle that serves a task, from /info."""
    with urllib.request.urlopen(f"{url.rstrip('/')}/info") as reply:
        info = json.load(reply)
    bundle = next((b for b in info["bundles"] if b["task"] == task), None)
    if bundle is None:
        raise SystemExit(f"the server has no bundle for {task}")
    return {**bundle["defaults"], "model": bundle["model"]}


def cell_name(solver: str, grid: str, steps: int) -> str:
    return f"{solver}/{grid}/{steps}"


def sweep(url: str, task: str, sources: list[str], targets: list[str], cells: list[tuple[str, str, int]], body: dict, batch: int,
          out: Path, samples: int) -> dict:
    """Runs every cell and the server's default; a cell whose outputs lie in `out` already is not run again, so a sweep can
    go on where it was stopped. Writes outputs, sweep.json and sweep.md. Rows, seed and guidance are the same throughout."""
    out.mkdir(parents=True, exist_ok=True)
    default = server_default(url, task)
    baseline = cell_name(default["solver"], default["grid"], default["steps"])
    wanted = dict.fromkeys([(default["solver"], default["grid"], default["steps"]), *cells])
    settings = {"model": default["model"], "task": task, "rows": len(sources), "request": {"seed": 0, "truncation": "end", **body}, "default": baseline}
    _same_settings(out / "settings.json", settings)
    systems, seconds = {}, {}
    for solver, grid, steps in tqdm(list(wanted), desc="sweep"):
        name = cell_name(solver, grid, steps)
        path = out / f"{name.replace('/', '-')}.jsonl"
        if not path.exists():
            began = time.time()
            scratch = path.with_suffix(".part")
            evaluate_server(url, task, sources, targets, {**body, "solver": solver, "grid": grid, "steps": steps}, batch, scratch)
            (out / f"{path.stem}.seconds").write_text(str(time.time() - began))
            scratch.rename(path)
        outputs = [json.loads(line)["output"] for line in path.read_text().splitlines()]
        systems[name] = RowStatistics.of(outputs, targets, sources)
        seconds[name] = float((out / f"{path.stem}.seconds").read_text()) / len(sources)
    found = compare(systems, baseline, samples)
    rows = [{"solver": s, "grid": g, "steps": n, "seconds_per_text": round(seconds[cell_name(s, g, n)], 4), **found[cell_name(s, g, n)]} for s, g, n in wanted]
    report = {**settings, "bootstrap_samples": samples, "cells": rows}
    (out / "sweep.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "sweep.md").write_text(markdown(report))
    return report


def _same_settings(path: Path, settings: dict) -> None:
    """Cells of different rows or requests must never stand in one table."""
    if path.exists() and json.loads(path.read_text()) != settings:
        raise SystemExit(f"{path.parent} holds cells of another sweep (see {path.name}); give another --out")
    path.write_text(json.dumps(settings, indent=1) + "\n")


def _cell(score: dict, is_baseline: bool) -> str:
    low, high = score["interval"]
    text = f"{score['value']:.1f} [{low:.1f}, {high:.1f}]"
    if is_baseline:
        return text
    low, high = score["difference_interval"]
    return f"{text}, {score['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"


def markdown(report: dict) -> str:
    lines = [
        f"{report['model']}, {report['rows']} rows, request `{json.dumps(report['request'])}`. ROUGE-L (rouge_score, no stemmer), sacreBLEU cased "
        f"(13a) against the reference and against the source. In brackets 95 % intervals of {report['bootstrap_samples']} paired bootstrap samples of the "
        f"rows; after the comma the difference from the default, {report['default']}.", "",
        "| solver | grid | steps | ROUGE-L | BLEU | BLEU against source | s per text |", "|---|---|---|---|---|---|---|"]
    for row in report["cells"]:
        own = cell_name(row["solver"], row["grid"], row["steps"]) == report["default"]
        scores = " | ".join(_cell(row[score], own) for score in SCORES)
        lines.append(f"| {row['solver']}{' (default)' if own else ''} | {row['grid']} | {row['steps']} | {scores} | {row['seconds_per_text']:.3f} |")
    return "\n".join(lines) + "\n"


def sweep_command(args) -> None:
    pairs = read_pairs(Path(args.data))
    sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
    cells = [(s, g, int(n)) for s in args.solvers.split(",") for g in args.grids.split(",") for n in args.steps.split(",")]
    report = sweep(args.url, args.task, sources[: args.rows], targets[: args.rows], cells, json.loads(args.body) if args.body else {}, args.batch,
                   Path(args.out), args.samples)
    print(markdown(report))
