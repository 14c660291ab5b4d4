"""The loop of a detector process: read a request, find, answer, until the parent is gone."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Protocol

from redaction.names.spread import Seen, collect, spread
from redaction.presidio.frames import Query, encode, pack, read
from redaction.types import Entity

# What a text can make a recognizer raise; the caller sees the class name, never a message, which could quote the text.
_FAILURES = (ArithmeticError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError)
# The process ends itself this long after its request's deadline, should nobody be left to kill it.
_GRACE_S = 2.0


class Engine(Protocol):
    """Finds the entities of texts; knows plain words, which are spread with more care than names."""

    plain: frozenset[str]

    def find(self, texts: Sequence[str], query: Query) -> list[list[Entity]]:
        """Return the entities of each text."""
        ...


def run(make_engine: Callable[[], Engine]) -> None:
    """Serve standard input until it ends; no socket can be opened in this process."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print of a library must not corrupt the frames
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which closes the pipe
    sys.addaudithook(refuse_sockets)
    engine = make_engine()
    gc.collect()
    gc.freeze()
    _send(sink, {"ready": True})
    while (message := read(source)) is not None:
        signal.setitimer(signal.ITIMER_REAL, message["limit_s"] + _GRACE_S)
        _send(sink, answer(engine, message))
        signal.setitimer(signal.ITIMER_REAL, 0)


def refuse_sockets(event: str, _: tuple[Any, ...]) -> None:
    """Refuse, as an audit hook, every use of the network."""
    if event.startswith("socket."):
        raise PermissionError("a detector process opens no sockets")


def answer(engine: Engine, message: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to one request."""
    texts: Sequence[str] = message["texts"]
    try:
        if "seen" in message:
            seen = Seen(*message["seen"])
            return {"found": pack([spread(text, seen, (), engine.plain) for text in texts])}
        level, language, presidio = message["query"]
        found, seen = search(engine, texts, Query(level, language, tuple(presidio)))
    except _FAILURES as error:
        return {"error": type(error).__name__}
    return {"found": pack(found), "seen": list(seen)}


def search(engine: Engine, texts: Sequence[str], query: Query) -> tuple[list[list[Entity]], Seen]:
    """Return the entities of each text and the names seen in all of them, already spread over all of them."""
    found = engine.find(texts, query)
    seen = collect(texts, found)
    if seen.empty():
        return found, seen
    again = [spread(text, seen, entities, engine.plain) for text, entities in zip(texts, found, strict=True)]
    return [entities + more for entities, more in zip(found, again, strict=True)], seen


def _send(sink: BinaryIO, message: dict[str, Any]) -> None:
    sink.write(encode(message))
    sink.flush()
