"""What a request must bring before anything is done for it: a key, a body within limits, no loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from gateway.errors import BadRequest, Unauthorized, WrongEncoding, WrongKey
from policy.model import Facts

HOP_HEADER: Final = b"x-sluice-hop"
_NO_KEY: Final = "You sent no API key. Send it in the Authorization header: Authorization: Bearer YOUR_KEY."
_BAD_KEY: Final = "This API key is wrong, expired or revoked."
_LOOP: Final = "This request already came through a Sluice gateway: its upstream's base URL leads back to a gateway."


class KeyHolder(Protocol):
    """Whom an API key belongs to."""

    @property
    def key_id(self) -> str: ...

    @property
    def facts(self) -> Facts: ...


class KeyDirectory(Protocol):
    """Knows all usable keys."""

    def lookup(self, raw_key: bytes) -> KeyHolder | None: ...


class Holder(NamedTuple):
    """A key holder made by hand."""

    key_id: str
    facts: Facts


class StaticDirectory:
    """The fake beside the protocol: a fixed set of keys."""

    def __init__(self, holders: Mapping[bytes, KeyHolder]) -> None:
        self._holders = holders

    def lookup(self, raw_key: bytes) -> KeyHolder | None:
        """Return the holder of a key, or None."""
        return self._holders.get(raw_key)


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings on what a client may send, and how often one that waits for a buffered stream hears from us."""

    body_bytes: int = 32 * 1024 * 1024
    body_s: float = 30.0
    keep_alive_s: float = 10.0


def authenticate(headers: Mapping[bytes, bytes], directory: KeyDirectory) -> KeyHolder:
    """Return whose key the request carries.

    Raises:
        Unauthorized: it carries none, or one that is unknown, expired or revoked.
    """
    key = credentials(headers)
    if not key:
        raise Unauthorized(_NO_KEY)
    holder = directory.lookup(key)
    if holder is None:
        raise WrongKey(_BAD_KEY)
    return holder


def credentials(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the raw API key of a request; empty when it carries none."""
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def refuse_loops(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request that a gateway sent, and one whose body cannot be read as it stands."""
    if HOP_HEADER in headers:
        raise BadRequest(_LOOP, code="loop_detected")
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding.strip().lower() not in (b"identity", b""):
        raise WrongEncoding("Send the request body uncompressed: Content-Encoding is not supported.")
