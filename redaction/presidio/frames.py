"""Messages between a gateway worker and its detector processes: a length, then JSON."""

import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import orjson

from redaction.types import Entity

MAX_BYTES = 64 * 1024 * 1024
LENGTH = struct.Struct(">I")


class Query(NamedTuple):
    """What to look for: the policy's `names` level, the language, Presidio recognizers by class name."""

    level: str
    language: str
    presidio: tuple[str, ...] = ()


def encode(message: dict[str, Any]) -> bytes:
    """Return the frame of a message."""
    data = orjson.dumps(message)
    return LENGTH.pack(len(data)) + data


def decode(data: bytes) -> dict[str, Any]:
    """Return the message of a frame's data."""
    message: dict[str, Any] = orjson.loads(data)
    return message


def read(source: BinaryIO) -> dict[str, Any] | None:
    """Read one message, or None at the end of the stream."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    data = source.read(size) if size <= MAX_BYTES else b""
    return decode(data) if len(data) == size else None


def sendable(text: str) -> str:
    """Return the text with lone surrogates replaced, which UTF-8 cannot carry; offsets stay."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def pack(found: Sequence[Sequence[Entity]]) -> list[list[list[Any]]]:
    """Return entities as plain lists, for JSON."""
    return [[[e.kind, e.start, e.end, e.score, e.recognizer] for e in entities] for entities in found]


def unpack(found: list[list[list[Any]]]) -> list[list[Entity]]:
    """Return the entities that `pack` took apart."""
    return [[Entity(*values) for values in entities] for entities in found]
