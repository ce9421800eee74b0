"""Scores of a running server over HTTP, as a client sees it; and of the trivial baselines on the same rows."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

from .faithfulness import faithfulness
from .metrics import scores
from .selection import select, split_sentences


def post(url: str, body: dict, timeout: float = 300.0) -> dict:
    """POST JSON, JSON back. RuntimeError carries the problem document of a refusal."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{error.code}: {error.read()[:500]!r}") from error


def evaluate_server(url: str, task: str, sources: list[str], targets: list[str], body: dict, batch: int,
                    out: Path | None, selector: dict | None = None) -> dict:
    """Sends every source in order, `batch` texts a request, and scores the first candidate of each.

    Row i is sampled in the request that holds it, with the seed of `body` (0 unless given), so a run repeats exactly.
    The task `lead` is the text's first sentence, or with a `selector` the one that it ranks first.
    """
    body = {"seed": 0, "truncation": "end", **body}
    outputs: list[str] = []
    latencies: list[float] = []
    model = task
    truncated = 0
    if task == "copy":
        outputs = list(sources)
    elif task == "lead":
        outputs = [(select(s, selector, len) if selector else split_sentences(s))[0] for s in sources]
    elif task == "reference":
        outputs = list(targets)
    else:
        for start in range(0, len(sources), batch):
            began = time.time()
            reply = post(f"{url.rstrip('/')}/{task}", {"text": sources[start : start + batch], **body})
            latencies.append(time.time() - began)
            model = reply["model"]
            outputs += [r["text"] for r in reply["results"]]
            truncated += sum(r["usage"]["truncated_tokens"] > 0 for r in reply["results"])
    if out:
        out.write_text("".join(json.dumps({"src": s, "trg": t, "output": o}, ensure_ascii=False) + "\n"
                               for s, t, o in zip(sources, targets, outputs)))
    report = {"model": model, "request": body, **scores(outputs, targets, sources), "faithfulness": faithfulness(outputs, sources), "sources_truncated": truncated}
    if latencies:
        report["seconds_per_text"] = round(sum(latencies) / len(sources), 4)
        report["texts_per_request"] = batch
    return report
