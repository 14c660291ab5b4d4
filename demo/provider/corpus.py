"""The provider's own labelled texts and word lists, read from the files shipped beside it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.provider.classifier import Example

TEXTS = Path(__file__).parent / "texts"
TASKS = ("category", "priority", "sentiment", "industry", "interest")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Examples per task, typical words and synonyms per class, and reply sentences by their function."""

    examples: Mapping[str, tuple[Example, ...]]
    lexicon: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, tuple[str, ...]]
    replies: Mapping[str, tuple[str, ...]]


def load(folder: Path = TEXTS) -> Corpus:
    """Read all texts of a folder."""
    rows = [row for path in sorted(folder.glob("*.jsonl")) for row in _rows(path)]
    classes = [row for row in rows if "class" in row]
    return Corpus(
        examples={task: tuple(_mixed(rows, task)) for task in TASKS},
        lexicon={row["class"]: tuple(row["words"].split()) for row in classes},
        aliases={row["class"]: tuple(row["aliases"].split()) for row in classes},
        replies=_replies(rows),
    )


def thinned(corpus: Corpus, every: int) -> Corpus:
    """Keep one text of `every` and one lexicon word of two, for a model that has learnt less."""
    return Corpus(
        examples={task: examples[::every] for task, examples in corpus.examples.items()},
        lexicon={label: words[::2] for label, words in corpus.lexicon.items()},
        aliases=corpus.aliases,
        replies=corpus.replies,
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _mixed(rows: list[dict[str, Any]], task: str) -> list[Example]:
    # The files are sorted by class; a fixed stride mixes them so that every part holds every class.
    found = [Example(row["text"], row[task]) for row in rows if task in row]
    return [example for start in range(7) for example in found[start::7]]


def _replies(rows: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    replies: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if "function" in row:
            replies[row["function"]] = (*replies.get(row["function"], ()), row["text"])
    return replies
