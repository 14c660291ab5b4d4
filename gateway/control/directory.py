"""The API keys as a worker sees them: an immutable view in memory, asked on every call."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from gateway.control import schema
from gateway.control.database import Clock, utc_now_us
from gateway.control.identity import tokens
from gateway.control.identity.keys import facts_of
from policy.model import Facts

_SLOT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose call it is: the key and the facts bound to it."""

    key_id: str
    facts: Facts
    expires_us: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """All usable keys at one value of the `changes` counter: first bytes of the digest -> (digest, principal)."""

    version: int
    entries: Mapping[bytes, tuple[bytes, Principal]]


class Directory:
    """Finds the principal of a raw key; follows the database through a `ChangeWatch`."""

    def __init__(self, clock_us: Clock = utc_now_us) -> None:
        self._clock_us = clock_us
        self._view = View(-1, MappingProxyType({}))

    @property
    def version(self) -> int:
        """The `changes` counter this view was read at; -1 before the first read."""
        return self._view.version

    def __len__(self) -> int:
        return len(self._view.entries)

    def lookup(self, raw_key: bytes) -> Principal | None:
        """Return the principal of a key, or None when it is unknown, revoked or expired. About 2 microseconds."""
        digest = tokens.digest(raw_key)
        entry = self._view.entries.get(digest[:_SLOT_BYTES])
        if entry is None or not hmac.compare_digest(entry[0], digest):
            return None
        principal = entry[1]
        if principal.expires_us is not None and principal.expires_us <= self._clock_us():
            return None
        return principal

    def reload(self, conn: Connection, version: int) -> None:
        """Read the keys that moved since the present view."""
        table, seen = schema.api_keys, self._view.version
        moved = select(table).where(table.c.changed > seen)
        entries = dict(self._view.entries)
        for row in conn.execute(moved).mappings():
            _apply(entries, row)
        self._view = View(version, MappingProxyType(entries))


def _apply(entries: dict[bytes, tuple[bytes, Principal]], row: RowMapping) -> None:
    digest: bytes = row["key_hash"]
    if row["revoked_us"] is None:
        entries[digest[:_SLOT_BYTES]] = (digest, Principal(row["key_id"], facts_of(row), row["expires_us"]))
    else:
        entries.pop(digest[:_SLOT_BYTES], None)
