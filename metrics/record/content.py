"""What a record may not say in the open: sealed beside it, under keys that can be destroyed.

Each frame has a key of its own. That key is wrapped by the subject's key, where the call names a subject, and then
by the key of its day, tenant and retention class: erasure destroys the first, retention the second.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from metrics.record.ids import Randomness
from metrics.record.keystore import Key
from metrics.record.keytext import KEY_BYTES

SALT_BYTES = 16
_NONCE = bytes(12)  # each frame's key seals exactly one message, so its nonce may be fixed
_LENGTHS = struct.Struct(">HB")
_INNER = struct.Struct(">I")


class ContentGoneError(LookupError):
    """The content cannot be read: erased, expired, shed or damaged."""


@dataclass(frozen=True, slots=True)
class Content:
    """The cleared texts that belong to one event.

    `subject` is the raw subject id: it selects the key and is never written. `index` lists what the redactor
    found, as (kind, HMAC of the value in hex).
    """

    subject: str | None = None
    retention_class: str = "content"
    fields: Mapping[str, bytes | str] = field(default_factory=dict)
    index: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FrameKeys:
    """The keys that seal one frame."""

    day: Key
    subject: Key | None = None
    subject_ref: str | None = None


class FrameHeader(NamedTuple):
    """What a frame says in the open; bound to the sealed part."""

    event_id: str
    tenant: str
    day_key_id: str
    subject_key_id: str | None
    subject_ref: str | None


@dataclass(slots=True)
class Opened:
    """A frame in the clear. `salts` holds one salt for each field, for the commitments of the audit tree."""

    header: FrameHeader
    fields: dict[str, bytes | str]
    index: tuple[tuple[str, str], ...]
    salts: dict[str, bytes]


def seal(
    event_id: str, tenant: str, content: Content, keys: FrameKeys, random_bytes: Randomness = secrets.token_bytes
) -> bytes:
    """Seal the content of one event into the payload of a frame."""
    subject = keys.subject
    header = orjson.dumps(
        [event_id, tenant, keys.day.key_id, subject.key_id if subject else None, keys.subject_ref],
    )
    random = random_bytes(KEY_BYTES + 24 + SALT_BYTES * len(content.fields))
    dek, outer, inner = random[:32], random[32:44], random[44:56]
    wrapped = inner + subject.cipher.encrypt(inner, dek, header) if subject else dek
    wrapped = outer + keys.day.cipher.encrypt(outer, wrapped, header)
    sealed = AESGCM(dek).encrypt(_NONCE, _pack(content, random[56:]), header)
    return b"".join((_LENGTHS.pack(len(header), len(wrapped)), header, wrapped, sealed))


def read_header(payload: bytes) -> FrameHeader:
    """Read a frame's open part. Raises `ContentGoneError` when it is no frame of this kind."""
    return _split(payload)[0]


def header_bytes(payload: bytes) -> int:
    """Return how many bytes of a frame its open part takes; what follows is sealed."""
    return _LENGTHS.size + int(_LENGTHS.unpack_from(payload)[0])


class Keys(Protocol):
    """Where the keys of frames are; a key store is one."""

    def key(self, key_id: str) -> Key | None: ...


def unseal(payload: bytes, keys: Keys) -> Opened:
    """Open a frame. Raises `ContentGoneError` when a key is destroyed or the frame was changed."""
    header, plain = _plain(payload, keys)
    table, salt = _table(plain)
    start = salt + SALT_BYTES * len(table["fields"])
    fields: dict[str, bytes | str] = {}
    salts: dict[str, bytes] = {}
    for name, text, length in table["fields"]:
        data = plain[start : start + length]
        fields[name] = data.decode() if text else data
        salts[name] = plain[salt : salt + SALT_BYTES]
        start, salt = start + length, salt + SALT_BYTES
    return Opened(header, fields, tuple(map(tuple, table["index"])), salts)


def _plain(payload: bytes, keys: Keys) -> tuple[FrameHeader, bytes]:
    header, raw, wrapped, sealed = _split(payload)
    dek = _decrypt(_present(keys, header.day_key_id), wrapped[:12], wrapped[12:], raw)
    if header.subject_key_id:
        dek = _decrypt(_present(keys, header.subject_key_id), dek[:12], dek[12:], raw)
    return header, _decrypt(AESGCM(dek), _NONCE, sealed, raw)


def _present(keys: Keys, key_id: str) -> AESGCM:
    key = keys.key(key_id)
    if key is None:
        raise ContentGoneError("the key of this content was destroyed: it was erased or its time is over")
    return key.cipher


def _decrypt(cipher: AESGCM, nonce: bytes, sealed: bytes, header: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, header)
    except InvalidTag as problem:
        raise ContentGoneError("this content was changed after it was sealed") from problem


def _split(payload: bytes) -> tuple[FrameHeader, bytes, bytes, bytes]:
    try:
        header_end, wrapped_bytes = header_bytes(payload), _LENGTHS.unpack_from(payload)[1]
        raw, rest = payload[_LENGTHS.size : header_end], payload[header_end:]
        return FrameHeader(*orjson.loads(raw)), raw, rest[:wrapped_bytes], rest[wrapped_bytes:]
    except (struct.error, TypeError, ValueError) as problem:
        raise ContentGoneError("this is not a content frame") from problem


def _pack(content: Content, salts: bytes) -> bytes:
    names, parts = [], []
    for name, value in content.fields.items():
        text = isinstance(value, str)
        data = value.encode("utf-8", "replace") if isinstance(value, str) else value
        names.append((name, text, len(data)))
        parts.append(data)
    table = orjson.dumps({"fields": names, "index": content.index})
    return b"".join((_INNER.pack(len(table)), table, salts, *parts))


def _table(plain: bytes) -> tuple[dict[str, Any], int]:
    """Return what stands before the salts and fields, and where it ends."""
    end = _INNER.size + _INNER.unpack_from(plain)[0]
    return orjson.loads(plain[_INNER.size : end]), end
