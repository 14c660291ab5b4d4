"""Texts without names: pieces of Python's standard library, code and comments."""

import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random

from redaction.names.gazetteer import Gazetteer
from tools.names.corpus import Row

# Packages that are full of names, or of words in other languages.
_SKIPPED = (
    "test",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "site-packages",
    "encodings",
    "pydoc_data",
    "this.py",
    "antigravity",
)
_CREDIT = re.compile(r"@|\b(?:by|author|authors|copyright|thanks|contributed)\b|\(c\)", re.IGNORECASE)
_CAPITALISED = re.compile(r"\b[A-Z][a-z]+\b")


def code_rows(count: int, gazetteer: Gazetteer, rnd: Random) -> Iterator[Row]:
    """Yield `count` pieces of one to fourteen lines; lines that may credit somebody are left out."""
    files = code_files()
    while count:
        lines = rnd.choice(files).read_text(encoding="utf-8", errors="ignore").splitlines()
        start = rnd.randrange(len(lines) or 1)
        piece = [line for line in lines[start : start + rnd.randint(1, 14)] if not _personal(line, gazetteer)]
        text = "\n".join(piece).strip()
        if len(text) > 20:
            yield Row(text, ())
            count -= 1


def code_files() -> list[Path]:
    """Return the modules of the standard library, in order."""
    folder = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in folder.rglob("*.py") if not any(part in str(path) for part in _SKIPPED))


def _personal(line: str, gazetteer: Gazetteer) -> bool:
    """Say whether a line may hold a person's name: a credit, or a given name outside code."""
    given = any("F" in gazetteer.flags(word.lower()) for word in _CAPITALISED.findall(line))
    return bool(given or _CREDIT.search(line) or len(line) > 300)
