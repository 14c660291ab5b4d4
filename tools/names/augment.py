"""Make the public corpora look more like business text: other names, other case, labels the corpora lack."""

import re
from pathlib import Path
from random import Random

from tools.names.corpus import Row, Span

_LISTS = Path(__file__).parent / "lists"
_TITLE_BEFORE = re.compile(r"(?:^|(?<=\W))([^\W\d_]+\.?)\s$")


class Relabel:
    """Adds TITLE spans, which the corpora leave unlabelled, and joins split handles."""

    def __init__(self) -> None:
        self._titles = frozenset((_LISTS / "titles.txt").read_text().split())

    def __call__(self, row: Row) -> Row:
        """Return the row with all labels."""
        spans = list(_joined(row))
        spans += [span for start, _, label in spans if label == "PER" for span in self._title(row.text, start)]
        return Row(row.text, tuple(sorted(spans)))

    def _title(self, text: str, start: int) -> list[Span]:
        match = _TITLE_BEFORE.search(text, max(0, start - 14), start)
        if match and match.group(1).lower().rstrip(".") in self._titles:
            return [(match.start(1), match.end(1), "TITLE")]
        return []


def _joined(row: Row) -> tuple[Span, ...]:
    """Give a handle's sign and its name one span."""
    out: list[Span] = []
    for start, end, label in sorted(row.spans):
        if out and out[-1][1] == start and out[-1][2] == label:
            out[-1] = (out[-1][0], end, label)
        else:
            out.append((start, end, label))
    return tuple(out)


def substitute(row: Row, pools: dict[str, list[str]], rnd: Random) -> Row:
    """Put other values in the place of the labelled ones, with the same number of words where possible."""
    text, spans, at = "", [], 0
    for start, end, label in row.spans:
        value = row.text[start:end]
        if pools.get(label) and rnd.random() < 0.7 and "@" not in value:
            value = _like(value, rnd.choices(pools[label], k=6))
        text += row.text[at:start]
        spans.append((len(text), len(text) + len(value), label))
        text += value
        at = end
    return Row(text + row.text[at:], tuple(spans))


def _like(value: str, choices: list[str]) -> str:
    words = value.count(" ")
    chosen = next((choice for choice in choices if choice.count(" ") == words), choices[0])
    return chosen.upper() if value.isupper() and len(value) > 4 else chosen.lower() if value.islower() else chosen
