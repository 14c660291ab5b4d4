"""What the audit tree says of sealed content: salted commitments that say nothing once their salts are destroyed."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from metrics.record.content import Opened


class Sealed(NamedTuple):
    """The frame's hash, and one commitment for each of its fields, in hex."""

    frame: str
    commitments: Mapping[str, str] = MappingProxyType({})
    key: str = ""  # the id of its day's key: whoever destroys that says so


def sealed(payload: bytes, opened: Opened) -> Sealed:
    """Commit to a frame and, with the salts inside it, to each of its fields."""
    commitments = {name: commitment(opened, name) for name in opened.fields}
    return Sealed(frame_hash(payload), commitments, opened.header.day_key_id)


def frame_hash(payload: bytes) -> str:
    """Return the hash by which a leaf names a frame."""
    return sha256(payload).hexdigest()


def commitment(opened: Opened, name: str) -> str:
    """Return HMAC-SHA-256 of a field's value under its salt; without the salt nothing can be guessed from it."""
    value = opened.fields[name]
    return hmac.digest(opened.salts[name], value.encode() if isinstance(value, str) else value, sha256).hex()
