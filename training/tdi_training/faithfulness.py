"""Does a text keep what its source says, and does it say what its source does not? Counted on numbers, capitalised names and
negations, which can be compared without understanding either text."""

from __future__ import annotations

import re

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
NEGATIONS = frozenset("not no never nobody nothing none neither nor nowhere without cannot".split())


def numbers(text: str) -> set[str]:
    """Numbers as written, without separators of thousands."""
    return {found.replace(",", "") for found in NUMBER.findall(text)}


def names(text: str) -> set[str]:
    """Capitalised words of two letters or more, in lower case, but for those that open a sentence or a quotation and say nothing."""
    found = set()
    for match in WORD.finditer(text):
        before = text[: match.start()].rstrip(" \t")
        opens = not before or before[-1] in ".!?:\n\"“‘'("
        if match.group()[0].isupper() and len(match.group()) > 1 and not opens:
            found.add(match.group().lower())
    return found


def negated(text: str) -> bool:
    lower = [word.lower().replace("’", "'") for word in WORD.findall(text)]
    return any(word in NEGATIONS or word.endswith("n't") for word in lower)


def faithfulness(outputs: list[str], sources: list[str]) -> dict[str, float]:
    """Percentages over all rows. `..._kept`: of what the sources have, what the outputs have too. `..._invented`: of what the
    outputs have, what their sources do not have, whatever its capitals. Negation counts a row once: kept where a negated source
    has a negated output, invented where an output alone is."""
    counts = {name: [0, 0] for name in ("numbers_kept", "numbers_invented", "names_kept", "names_invented", "negations_kept", "negations_invented")}

    def add(name: str, part: int, whole: int) -> None:
        counts[name][0] += part
        counts[name][1] += whole

    for output, source in zip(outputs, sources):
        written, read = ({word.lower() for word in WORD.findall(text)} for text in (output, source))
        add("numbers_kept", len(numbers(source) & numbers(output)), len(numbers(source)))
        add("numbers_invented", len(numbers(output) - numbers(source)), len(numbers(output)))
        add("names_kept", len(names(source) & written), len(names(source)))
        add("names_invented", len(names(output) - read), len(names(output)))
        of_source, of_output = negated(source), negated(output)
        add("negations_kept", of_source and of_output, of_source)
        add("negations_invented", of_output and not of_source, of_output)
    return {name: round(100 * part / whole, 2) if whole else 0.0 for name, (part, whole) in counts.items()}
