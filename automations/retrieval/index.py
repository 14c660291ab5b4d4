"""A BM25 index of passages in memory (SQLite FTS5), made anew when a file of the folder changes."""

import hashlib
import operator
import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from automations.retrieval.articles import Passage, files_of, read_articles

_WORD: Final = re.compile(r"[^\W_]{2,40}")
_MOST_WORDS: Final = 64
_RANK_AT: Final = 60  # of reciprocal rank fusion; the constant of its authors
_DEPTH: Final = 20
_AT_ONCE: Final = 64  # passages in one request for embeddings
_DIGITS: Final = str.maketrans("0123456789", "ghijklmnop")
_RANKED: Final = """
SELECT id, -bm25(passages, 0, 2.0, 1.0) AS score FROM passages WHERE passages MATCH ? ORDER BY 2 DESC, 1 LIMIT ?
"""

Embed = Callable[[list[str]], list[list[float]]]
Stamps = tuple[tuple[str, int, int], ...]


class Notes(Protocol):
    """Where a run leaves what happened in it."""

    def note(self, kind: str, **body: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; a higher score is better, and means nothing across two questions."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class _Built:
    version: str
    passages: Mapping[str, Passage]
    base: sqlite3.Connection
    stamps: Stamps


@dataclass(slots=True)
class KnowledgeBase:
    """A folder of articles that can be asked. Several threads may ask at once."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _built: _Built | None = field(default=None, repr=False)
    _vectors: dict[str, dict[str, list[float]]] = field(default_factory=dict, repr=False)

    def search(self, question: str, at_most: int = 3, embed: Embed | None = None) -> tuple[str, list[Hit]]:
        """Give the version of the index and the best passages; `embed` adds nearness of meaning to that of words.

        Raises:
            BadArticle: a file of the folder cannot be read.
        """
        with self._lock:
            built = self._current()
            ranked = _by_words(built, question)
        if embed is not None and built.passages:
            ranked = _fused(ranked, _by_meaning(self._vectors_of(built, embed), embed([question])[0]))
        return built.version, [Hit(built.passages[name], score) for name, score in ranked[:at_most]]

    def retrieve(self, run: Notes, question: str, at_most: int = 3, embed: Embed | None = None) -> list[Hit]:
        """Search for a run, and leave a `retrieval` event in it: the question (sealed), ids, scores, version."""
        version, hits = self.search(question, at_most, embed)
        scores = [round(hit.score, 4) for hit in hits]
        run.note(
            "retrieval",
            query=question,
            ids=[hit.passage.id for hit in hits],
            scores=scores,
            hits=len(hits),
            top_score=scores[0] if scores else 0.0,
            empty=not hits,
            index_version=version,
        )
        return hits

    def _current(self) -> _Built:
        stamps = tuple((str(path), (said := path.stat()).st_mtime_ns, said.st_size) for path in files_of(self.folder))
        if self._built is None or self._built.stamps != stamps:
            self._built = _build(read_articles(self.folder), stamps)
        return self._built

    def _vectors_of(self, built: _Built, embed: Embed) -> dict[str, list[float]]:
        """Give the embeddings of all passages, asked for once for each version of the index."""
        if built.version not in self._vectors:
            names = list(built.passages)
            texts = [f"{built.passages[name].title}. {built.passages[name].text}" for name in names]
            found = [vector for at in range(0, len(texts), _AT_ONCE) for vector in embed(texts[at : at + _AT_ONCE])]
            self._vectors = {built.version: dict(zip(names, found, strict=True))}
        return self._vectors[built.version]


def _build(passages: Sequence[Passage], stamps: Stamps) -> _Built:
    base = sqlite3.connect(":memory:", check_same_thread=False)
    base.execute("CREATE VIRTUAL TABLE passages USING fts5(id UNINDEXED, title, text, tokenize='porter unicode61')")
    rows = [(each.id, each.title, each.text) for each in passages]
    base.executemany("INSERT INTO passages VALUES (?, ?, ?)", rows)
    # Letters only, so that no version looks like somebody's number.
    version = "kb" + hashlib.sha256(repr(rows).encode()).hexdigest()[:12].translate(_DIGITS)
    return _Built(version, {each.id: each for each in passages}, base, stamps)


def _by_words(built: _Built, question: str) -> list[tuple[str, float]]:
    words = list(dict.fromkeys(_WORD.findall(question.lower())))[:_MOST_WORDS]
    if not words:
        return []
    asked = " OR ".join(f'"{word}"' for word in words)  # quoted: nothing of a question is query language
    return list(built.base.execute(_RANKED, (asked, _DEPTH)))


def _by_meaning(vectors: Mapping[str, list[float]], question: list[float]) -> list[tuple[str, float]]:
    near = ((name, sum(map(operator.mul, question, vector))) for name, vector in vectors.items())
    return sorted(near, key=lambda pair: (-pair[1], pair[0]))[:_DEPTH]


def _fused(*rankings: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Join rankings by reciprocal rank: a passage that stands high in both comes first."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, (name, _) in enumerate(ranking, 1):
            scores[name] = scores.get(name, 0.0) + 1 / (_RANK_AT + place)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
