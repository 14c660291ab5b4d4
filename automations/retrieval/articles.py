"""Reads a knowledge base: a folder of Markdown, text and HTML files, cut into passages of a few paragraphs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automations.plain import text_of_html

SUFFIXES: Final = (".md", ".txt", ".html", ".htm")
MAX_BYTES: Final = 2_000_000
_LONGEST: Final = 1200  # characters of a passage, unless one paragraph alone is longer
_HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
_NO_WORD: Final = re.compile(r"[^a-z0-9_.\-]+")


class BadArticle(ValueError):
    """A file that cannot be part of a knowledge base; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an article. `id` is `article.number`, a word that may stand in the open part of the record."""

    id: str
    article: str
    title: str
    text: str


def read_articles(folder: Path) -> list[Passage]:
    """Read every file of a folder and of those below it, in name order.

    Raises:
        BadArticle: a file is too large, is no UTF-8 text, or two files would share an id.
    """
    owners: dict[str, Path] = {}
    passages: list[Passage] = []
    for path in files_of(folder):
        article = _id(path.relative_to(folder))
        if (other := owners.setdefault(article, path)) != path:
            raise BadArticle(f"{path.name} and {other.name} would share the id {article}; rename one")
        passages += _passages(article, path.suffix.lower(), _text(path))
    return passages


def files_of(folder: Path) -> list[Path]:
    """List the files of a knowledge base; links are not followed."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if len(raw) > MAX_BYTES:
        raise BadArticle(f"{path.name} is larger than {MAX_BYTES} bytes; split it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadArticle(f"{path.name} is no UTF-8 text; save it as UTF-8") from error


def _id(path: Path) -> str:
    word = _NO_WORD.sub("-", str(path.with_suffix("")).lower()).strip("-.")[:50]
    return word if word[:1].isalpha() else f"a-{word}"


def _passages(article: str, suffix: str, text: str) -> Iterator[Passage]:
    plain = text_of_html(text).replace("\n", "\n\n") if suffix.startswith(".htm") else text
    title = article
    for number, (heading, piece) in enumerate(_pieces(plain), 1):
        title = heading or title
        yield Passage(f"{article}.{number}", article, title, piece)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Cut a text at its headings, and where a piece grows too long; give each with the heading above it."""
    heading, piece = "", ""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = [line.strip() for line in paragraph.strip().split("\n") if line.strip()]
        found = _HEADING.match(lines[0]) if lines else None
        if found or len(piece) + len(paragraph) > _LONGEST:
            if piece:
                yield heading, piece
            piece = ""
        if found:
            heading, lines = found[1], lines[1:]
        piece = f"{piece}\n\n{' '.join(lines)}".strip()
    if piece:
        yield heading, piece
