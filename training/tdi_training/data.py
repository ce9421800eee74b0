"""JSON lines of text pairs -> packed token ids, memory-mapped; and the encodings kept beside them."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

SIDES = ("src", "trg")


def read_pairs(path: Path, exclude: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Rows of {src, trg} or {document, summary} from a .jsonl or .jsonl.gz file. Rows whose `source` field is in
    `exclude` are left out. ValueError names a bad line."""
    opener = gzip.open if path.suffix == ".gz" else open
    rows: list[tuple[str, str]] = []
    with opener(path, "rb") as raw:
        for number, line in enumerate(io.TextIOWrapper(raw, encoding="utf-8"), 1):
            if not line.strip():
                continue
            item = json.loads(line)
            if item.get("source") in exclude:
                continue
            src = item.get("src", item.get("document"))
            trg = item.get("trg", item.get("summary"))
            if not isinstance(src, str) or not isinstance(trg, str):
                raise ValueError(f"{path.name} line {number}: needs strings src and trg, or document and summary")
            rows.append((src, trg))
    return rows


def read_texts(path: Path) -> tuple[list[str], list[str]]:
    """Sources and targets of such a file, as two lists."""
    pairs = read_pairs(path)
    return [s for s, _ in pairs], [t for _, t in pairs]


def weighted_paths(items: list[str]) -> list[tuple[Path, float]]:
    """`path` or `path:weight` arguments -> [(path, weight)], 1 unless given."""
    return [(Path(path), float(weight or 1)) for path, _, weight in (item.partition(":") for item in items)]


def names(text: str) -> frozenset[str]:
    """A comma-separated argument -> its names."""
    return frozenset(name for name in text.split(",") if name)


def pack(token_lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(token_lists) + 1, dtype=np.int64)
    np.cumsum([len(x) for x in token_lists], out=offsets[1:])
    flat = np.fromiter((i for x in token_lists for i in x), dtype=np.uint16, count=int(offsets[-1]))
    return flat, offsets


def prepare(
    inputs: list[Path], out: Path, tokenizer, source_length: int, target_length: int, drop_above: float | None,
    max_rows: int | None = None, exclude: frozenset[str] = frozenset(),
) -> dict:
    """Tokenise, cut, filter and pack. Lengths count the two special tokens ([CLS], [SEP] or their like).

    A source over `source_length` is cut at its end. A pair whose target is over `target_length` is dropped (a cut
    target would teach the model to stop in mid-sentence), as is one whose sides have ROUGE-L F1 above `drop_above`.
    Returns the report, which is also written to `out/report.json`.
    """
    if len(tokenizer) > 65535:
        raise SystemExit("token ids do not fit uint16 for this tokenizer")
    out.mkdir(parents=True, exist_ok=True)
    scorer = None
    if drop_above is not None:
        from rouge_score import rouge_scorer

        scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    rows = [pair for path in inputs for pair in read_pairs(path, exclude)]
    if max_rows:
        rows = rows[:max_rows]
    report: dict = {"inputs": [p.name for p in inputs], "excluded_sources": sorted(exclude), "rows_read": len(rows), "source_length": source_length,
                    "target_length": target_length, "sources_cut": 0, "tokens_cut": 0, "dropped_long_target": 0,
                    "dropped_near_copy": 0, "dropped_empty": 0}
    packed: dict[str, list[list[int]]] = {side: [] for side in SIDES}
    for start in tqdm(range(0, len(rows), 1000), desc="tokenise", mininterval=5):
        chunk = rows[start : start + 1000]
        ids = [tokenizer([pair[k] for pair in chunk], truncation=False, verbose=False)["input_ids"] for k in (0, 1)]
        for (src_text, trg_text), src, trg in zip(chunk, *ids):
            if len(src) <= 2 or len(trg) <= 2:
                report["dropped_empty"] += 1
                continue
            if len(trg) > target_length:
                report["dropped_long_target"] += 1
                continue
            if scorer and scorer.score(trg_text, src_text)["rougeL"].fmeasure > drop_above:
                report["dropped_near_copy"] += 1
                continue
            if len(src) > source_length:
                report["sources_cut"] += 1
                report["tokens_cut"] += len(src) - source_length
                src = src[: source_length - 1] + src[-1:]
            packed["src"].append(src)
            packed["trg"].append(trg)
    report["rows_kept"] = len(packed["src"])
    for side in SIDES:
        flat, offsets = pack(packed[side])
        np.save(out / f"{side}.ids.npy", flat)
        np.save(out / f"{side}.offsets.npy", offsets)
        lengths = np.diff(offsets)
        report[f"{side}_tokens"] = {"mean": round(float(lengths.mean()), 2),
                                    **{f"p{q}": int(np.percentile(lengths, q)) for q in (5, 50, 90, 95, 99, 100)}}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    return report


class PackedPairs:
    """Token ids of a prepared folder; `encodings` (normalised latents, fp16) where `encode` was run on it.

    Either each side has texts of its own (`prepare`), or both point into one table of texts (`mine`: `text.ids.npy`,
    `text.offsets.npy` and `pairs.npy` [N, 2]), so that a question of many pairs is stored and encoded once.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.shared = (folder / "pairs.npy").exists()
        self.files = {s: "text" if self.shared else s for s in SIDES}
        stored = {f: np.load(folder / f"{f}.ids.npy", mmap_mode="r") for f in set(self.files.values())}
        self.ids = {s: stored[f] for s, f in self.files.items()}
        self.offsets = {f: np.load(folder / f"{f}.offsets.npy") for f in stored}
        pairs = np.load(folder / "pairs.npy") if self.shared else None
        # Where each row's text begins in the packed arrays, and how many tokens it has.
        self.starts: dict[str, np.ndarray] = {}
        self.counts: dict[str, np.ndarray] = {}
        for k, side in enumerate(SIDES):
            o = self.offsets[self.files[side]]
            rows = np.arange(len(o) - 1) if pairs is None else pairs[:, k]
            self.starts[side], self.counts[side] = o[rows], o[rows + 1] - o[rows]
        self.encodings: dict[str, np.ndarray] = {}

    def load_encodings(self, in_memory: bool = True) -> bool:
        """True when both sides' encodings are at hand."""
        loaded: dict[str, np.ndarray] = {}
        for name in self.offsets:
            path = self.folder / f"{name}.z.npy"
            if not path.exists():
                return False
            loaded[name] = np.load(path, mmap_mode=None if in_memory else "r")
        self.encodings = {side: loaded[name] for side, name in self.files.items()}
        return True

    def __len__(self) -> int:
        return len(self.starts["src"])

    def lengths(self, side: str) -> np.ndarray:
        return self.counts[side]

    def tokens(self, side: str, row: int) -> np.ndarray:
        start = self.starts[side][row]
        return self.ids[side][start : start + self.counts[side][row]]

    def batch_tokens(self, side: str, rows: np.ndarray, length: int, pad: int) -> np.ndarray:
        """[len(rows), length] int64, padded at the end with `pad`; texts over `length` keep their last token."""
        out = np.full((len(rows), length), pad, dtype=np.int64)
        for k, row in enumerate(rows):
            t = self.tokens(side, row)
            n = min(len(t), length)
            out[k, :n] = t[:n]
            if len(t) > length:
                out[k, -1] = t[-1]
        return out

    def batch_encodings(self, side: str, rows: np.ndarray, length: int) -> np.ndarray:
        """[len(rows), length, H] float16, zero beyond each text."""
        z = self.encodings[side]
        out = np.zeros((len(rows), length, z.shape[1]), dtype=np.float16)
        for k, row in enumerate(rows):
            start, n = self.starts[side][row], min(int(self.counts[side][row]), length)
            out[k, :n] = z[start : start + n]
        return out
