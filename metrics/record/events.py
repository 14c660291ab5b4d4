"""The event envelope: the one shape of everything that happens, and its line in a journal."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

SCHEMA = 1
_CRC_CHARS = len(b',"crc":"00000000"}\n')
_HEAD = b'{"event_id":"'


class BadLineError(ValueError):
    """A journal line that is torn, garbled or no event."""


@dataclass(slots=True)  # not frozen: that costs a microsecond for each
class Event:
    """One thing that happened. `docs/reference/record.md` lists the kinds and the fields of their bodies.

    Nobody changes one. `body` holds numbers, closed vocabularies and cleared labels; all other text belongs into
    `Content`.
    """

    event_id: str
    kind: str
    ts_us: int  # UTC microseconds since 1970
    tenant: str
    automation: str | None = None
    run: str | None = None
    step: str | None = None
    actor: str | None = None
    subject_ref: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


def encode(event: Event) -> bytes:
    """Write an event as one JSON line that ends with the checksum of what stands before it."""
    fields = {
        "event_id": event.event_id,
        "kind": event.kind,
        "schema": event.schema,
        "ts_us": event.ts_us,
        "tenant": event.tenant,
        "automation": event.automation,
        "run": event.run,
        "step": event.step,
        "actor": event.actor,
        "subject_ref": event.subject_ref,
        "body": event.body,
    }
    return checksummed(_dump(fields))


def decode(line: bytes) -> Event:
    """Read one journal line back. Raises `BadLineError` when the line is not exactly what was written."""
    get = checked(line).get
    optional = (get("automation"), get("run"), get("step"), get("actor"), get("subject_ref"))
    event = Event(get("event_id"), get("kind"), get("ts_us"), get("tenant"), *optional, get("body"), get("schema"))  # type: ignore[arg-type]
    texts = type(event.event_id) is type(event.kind) is type(event.tenant) is str
    if not texts or type(event.ts_us) is not int or type(event.body) is not dict or type(event.schema) is not int:
        raise BadLineError("the line is no event: a field is missing or of another type")
    for value in optional:
        if value is not None and type(value) is not str:
            raise BadLineError("the line is no event: a field is of another type")
    return event


def checksummed(payload: bytes) -> bytes:
    """Append the checksum field and the line end to a JSON object."""
    head = payload[:-1]
    return b'%b,"crc":"%08x"}\n' % (head, zlib.crc32(head))


def checked(line: bytes) -> dict[str, Any]:
    """Parse a line made by `checksummed`."""
    head = line[:-_CRC_CHARS]
    if not head or line[-_CRC_CHARS:] != b',"crc":"%08x"}\n' % zlib.crc32(head):
        raise BadLineError("the checksum does not fit the line")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as problem:
        raise BadLineError("the line is not JSON") from problem
    if not isinstance(value, dict):
        raise BadLineError("the line is not a JSON object")
    return value


def salvage(line: bytes) -> int:
    """Return where a whole event starts inside a bad line, or -1.

    A crash can leave half a line in front of a whole one; JSON escapes quotes inside strings, so the opening of
    an event cannot stand inside another event's text.
    """
    start = line.rfind(_HEAD)
    if start <= 0:
        return -1
    try:
        decode(line[start:])
    except BadLineError:
        return -1
    return start


def _dump(fields: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:  # one odd value must not cost the whole record
        return orjson.dumps(_plain(fields))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else float(value)
    if isinstance(value, float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(_plain(str(key))): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    return f"<{type(value).__name__}>"
