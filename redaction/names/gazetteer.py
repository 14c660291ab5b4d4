"""Word lists (given names, surnames, places, titles, ...) that the names model looks words up in."""

import gzip
from collections.abc import Mapping
from pathlib import Path

# F, f: given name (English-speaking, other); L, l: surname; K: large place; C: place; c: word inside a place name;
# N: nationality or faith; T: title; O: company form; G: known organisation; g: word inside the name of one;
# S: street word; X: technical word.
FLAGS = "FfLlKCcNTOGgSX"
PLAIN = "-"  # the line of plain words


class Gazetteer:
    """Flags of known words, by lower-cased word; `plain` are words that everyday text has in lower case."""

    def __init__(self, flags: Mapping[str, str], plain: frozenset[str] = frozenset()) -> None:
        self._flags = flags
        self.plain = plain

    def flags(self, word: str) -> str:
        """Return the flags of a lower-cased word, empty when unknown."""
        return self._flags.get(word, "")

    def __len__(self) -> int:
        return len(self._flags)


def load_gazetteer(path: Path) -> Gazetteer:
    """Read a gazetteer file: gzipped lines, each `flags word word ...`."""
    flags: dict[str, str] = {}
    plain: frozenset[str] = frozenset()
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        letters, *words = line.split(" ")
        if letters == PLAIN:
            plain = frozenset(words)
        else:
            flags.update(dict.fromkeys(words, letters))
    return Gazetteer(flags, plain)
