"""Sources in a draft: each sentence of an article carries a mark, and the marks in a draft say what was used."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+")
_MARK: Final = re.compile(r"[ \t]*\[([a-z][a-z0-9_.\-]{0,63})\]")
_FORGED: Final = re.compile(r"^[ \t]*(Ticket|Context)[ \t]*:", re.I | re.M)


class Source(NamedTuple):
    """A passage that was found."""

    id: str
    title: str
    text: str


class Cited(NamedTuple):
    """A draft without its marks, the sources it named, and how many marks named nothing that was found."""

    text: str
    ids: tuple[str, ...]
    unknown: int


def marked(sources: Sequence[Source]) -> str:
    """Write passages with the mark of their source at each sentence."""
    lines = [f"[{each.id}] {sentence}" for each in sources for sentence in _SENTENCE.split(each.text) if sentence]
    return "\n".join(lines)


def unmarked(words: str) -> str:
    """Write a stranger's words so that nothing in them looks like a mark, or like what was found."""
    return _FORGED.sub(r"\1 :", _MARK.sub(r" (\1)", words))


def cited(draft: str, sources: Sequence[Source]) -> Cited:
    """Take the marks out of a draft."""
    named = list(dict.fromkeys(_MARK.findall(draft)))
    known = {each.id for each in sources}
    lines = "\n".join(" ".join(line.split()) for line in _MARK.sub(" ", draft).split("\n"))
    text = re.sub(r" +([.,;:!?])", r"\1", lines).strip()
    return Cited(text, tuple(each for each in named if each in known), sum(each not in known for each in named))
