"""Server-sent events: a tolerant reader that gives the same events under every split of the bytes, and a writer."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

DONE: Final = b"[DONE]"
DONE_EVENT: Final = b"data: [DONE]\n\n"
KEEP_ALIVE: Final = b": keep-alive\n\n"
MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_NAME: Final = re.compile(r"[a-z][a-z_.]{0,99}")


class EventTooLong(ValueError):
    """One event is longer than the reader will hold in memory."""


@dataclass(slots=True)
class SseReader:
    """Takes bytes as they arrive and gives the `data` of each complete event.

    Accepts CR, LF and CRLF line ends, comments, a byte order mark, `data:` without a space and data over several
    lines. An event that is cut off by the end of the bytes is not given.
    """

    max_bytes: int = MAX_EVENT_BYTES
    _rest: bytearray = field(default_factory=bytearray)
    _after_cr: bool = False
    _begun: bool = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that these bytes complete.

        Raises:
            EventTooLong: an unfinished event grew over `max_bytes`.
        """
        rest, since = self._rest, max(0, len(self._rest) - 1)  # what was there before has no end in it
        rest += self._unix(chunk)
        if not self._begun:
            if len(rest) < 3 and _BOM.startswith(rest):
                return []
            if rest.startswith(_BOM):
                del rest[:3]
            since, self._begun = 0, True
        blocks: list[bytes] = []
        if rest.find(b"\n\n", since) >= 0:
            *blocks, left = bytes(rest).split(b"\n\n")
            rest[:] = left
        if len(rest) > self.max_bytes:
            raise EventTooLong
        return [data for block in blocks if (data := _data(block)) is not None]

    def _unix(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF, also where a CRLF is split over two chunks."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" not in chunk:
            return chunk
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:  # what nearly every upstream sends
        return block[6:]
    parts = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:") or line == b"data"]
    return b"\n".join(parts) if parts else None


def event(payload: dict[str, Any]) -> bytes:
    """Encode one JSON object as an event."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def named_event(payload: dict[str, Any]) -> bytes:
    """Encode one JSON object as an event that carries its type as its name, too."""
    kind = payload.get("type")
    name = b"event: " + kind.encode() + b"\n" if isinstance(kind, str) and _NAME.fullmatch(kind) else b""
    return name + event(payload)


def error_event(body: dict[str, Any], number: int | None) -> bytes:
    """Encode an error as the last event of a stream, with a `number` where the stream's events have one.

    Clients of numbered events know errors by their type; some look into `error`, some beside it.
    """
    if number is None:
        return event(body)
    return named_event(body["error"] | body | {"type": "error", "sequence_number": number})


def comment(**facts: object) -> bytes:
    """Encode facts as a comment, which every client ignores and a person can read."""
    text = " ".join(f"{name}={_one_word(value)}" for name, value in facts.items() if value is not None)
    return b": sluice " + text.encode() + b"\n\n"


def _one_word(value: object) -> str:
    return "".join(char for char in str(value) if char.isprintable() and not char.isspace())
