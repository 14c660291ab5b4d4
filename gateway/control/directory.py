"""The API keys as a worker sees them: an immutable view in memory, asked on every call."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from sqlalchemy import Connection, RowMapping, select

from gateway.control import schema
from gateway.control.database import Clock, utc_now_us
from gateway.control.identity import tokens
from gateway.control.identity.keys import facts_of
from gateway.control.watch import EVERYTHING
from policy.model import Facts

_SLOT_BYTES: Final = 16
# First bytes of a key's digest -> (digest, whose key it is).
Entries: TypeAlias = "Mapping[bytes, tuple[bytes, Principal]]"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose call it is: the key and the facts bound to it."""

    key_id: str
    facts: Facts
    expires_us: int | None = None


class Directory:
    """Finds the principal of a raw key; follows the database through a `ChangeWatch`.

    A key once seen revoked stays so, even if the database is put back to an older state.
    """

    def __init__(self, clock_us: Clock = utc_now_us) -> None:
        self._clock_us = clock_us
        self._entries: Entries = MappingProxyType({})
        self._revoked: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def facts(self) -> frozenset[Facts]:
        """Return what the usable keys are bound to: the policies that calls can ask for."""
        return frozenset(principal.facts for _, principal in self._entries.values())

    def lookup(self, raw_key: bytes) -> Principal | None:
        """Return the principal of a key, or None when it is unknown, revoked or expired. About 2 microseconds."""
        digest = tokens.digest(raw_key)
        entry = self._entries.get(digest[:_SLOT_BYTES])
        if entry is None or not hmac.compare_digest(entry[0], digest):
            return None
        principal = entry[1]
        if principal.expires_us is not None and principal.expires_us <= self._clock_us():
            return None
        return principal

    def reload(self, conn: Connection, since: int) -> None:
        """Read the keys that moved after `since`, or all of them."""
        table = schema.api_keys
        moved = conn.execute(select(table).where(table.c.changed > since)).mappings().all()
        self._revoked.update(row["key_hash"] for row in moved if row["revoked_us"] is not None)
        entries = {} if since == EVERYTHING else dict(self._entries)
        entries.update(_entry(row) for row in moved)
        for digest in (*self._revoked, *(row["key_hash"] for row in moved if row["unconfirmed_us"] is not None)):
            entries.pop(digest[:_SLOT_BYTES], None)
        self._entries = MappingProxyType(entries)


def _entry(row: RowMapping) -> tuple[bytes, tuple[bytes, Principal]]:
    digest: bytes = row["key_hash"]
    return digest[:_SLOT_BYTES], (digest, Principal(row["key_id"], facts_of(row), row["expires_us"]))
