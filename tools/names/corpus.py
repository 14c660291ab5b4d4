"""Read labelled texts and turn their spans into one label for each token."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

from redaction.names.tokens import Tokens

CORPORA = ("btc_train", "btc_dev", "wnut_train", "wnut_dev", "wikigold", "sec_train")
Span = tuple[int, int, str]


class Row(NamedTuple):
    """A text and its labelled spans."""

    text: str
    spans: tuple[Span, ...]


def read_rows(folder: Path, name: str) -> list[Row]:
    """Read `name.jsonl.gz`: one object per line, `t` the text, `s` the spans."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt") as file:
        return [Row(item["t"], tuple((s, e, label) for s, e, label in item["s"])) for item in map(json.loads, file)]


def labels(tokens: Tokens, spans: tuple[Span, ...]) -> list[str]:
    """Return a label for each token; `O` outside all spans."""
    out = ["O"] * len(tokens.words)
    for start, end, label in spans:
        for i, (first, last) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
            if first < end and last > start:
                out[i] = label
    return out
