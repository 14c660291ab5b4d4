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
    """Read `name.jsonl.gz`, one object per line: `t` the text, `s` the spans; `name:source` reads one source."""
    file_name, _, source = name.partition(":")
    with gzip.open(folder / f"{file_name}.jsonl.gz", "rt") as file:
        items = [item for item in map(json.loads, file) if not source or item["src"] == source]
    return [Row(item["t"], tuple((s, e, label) for s, e, label in item["s"])) for item in items]


def labels(tokens: Tokens, spans: tuple[Span, ...]) -> list[str]:
    """Return a label for each token; `O` outside all spans."""
    out = ["O"] * len(tokens.words)
    for start, end, label in spans:
        for i, (first, last) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
            if first < end and last > start:
                out[i] = label
    return out
