"""Words of several tokens that there are, one a line: what the server tells a broken word by (src/model/whole-words.ts). A word of one token is one by
itself, and of others a sampler may write some of the pieces and not the rest."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from .bigrams import texts

CONTINUES = "##"
CHUNK = 5_000  # texts that are tokenised at a time


def pieced(tokens: list[str]) -> list[str]:
    """The words of a line of WordPiece tokens that are more than one of them."""
    words: list[list[str]] = []
    for token in tokens:
        if token.startswith(CONTINUES) and words:
            words[-1].append(token[len(CONTINUES):])
        else:
            words.append([token])
    return ["".join(word) for word in words if len(word) > 1]


def count(path: Path, every: int, tokenizer) -> Counter[str]:
    """How often each of them occurs in the texts of every `every`th line of a file."""
    found: Counter[str] = Counter()
    left = texts(path, every)
    with tqdm(desc=f"words of {path.name}", mininterval=10) as bar:
        while batch := list(islice(left, CHUNK)):
            for encoding in tokenizer(batch, add_special_tokens=False).encodings:
                found.update(pieced(encoding.tokens))
            bar.update(len(batch))
    return found


def word_list(inputs: list[tuple[Path, int, int]], tokenizer, out: Path) -> dict:
    """Writes the words that occur in one of the files, (path, every nth line, least), so often or more. What is but digits and marks is left out: a number
    is right where the source has it."""
    kept: set[str] = set()
    for path, every, least in inputs:
        kept |= {word for word, times in count(path, every, tokenizer).items() if times >= least and any(c.isalpha() for c in word)}
    out.write_text("".join(f"{word}\n" for word in sorted(kept)), encoding="utf-8")
    return {"words": len(kept), "bytes": out.stat().st_size}
