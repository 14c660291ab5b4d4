"""What is kept of responses, so that callers can read them again and go on from them."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import orjson

from gateway.control import sealed
from gateway.control.database import Database
from gateway.sealer import Sealer
from gateway.wire.numbers import loads
from metrics.record.master import MasterKey

KIND: Final = "response"
EVENTS: Final = "response.events"
_HOUR_US: Final = 3600 * 1_000_000
_DAY_US: Final = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Stored:
    """One response: the cleared input items and the clean answer, and apart from them the values of placeholders."""

    response_id: str
    automation: str | None
    provider: str
    items: list[Any] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    review: str | None = None  # the answer is held

    def encoded(self) -> bytes:
        """Return the response as JSON."""
        return orjson.dumps(self)


class Batch(NamedTuple):
    """Clean events of a streamed response that came together, and their place among the batches."""

    number: int
    events: list[dict[str, Any]]


class ResponseStore(Protocol):
    """Keeps responses by tenant and id, each for a number of days."""

    async def put(self, tenant: str, subject: str | None, stored: Stored, days: int) -> None:
        """Keep a response, in place of an earlier state of it.

        Raises:
            ControlError: it could not be kept.
        """

    async def get(self, tenant: str, response_id: str) -> Stored | None:
        """Return a response that was not deleted and has not expired.

        Raises:
            ControlError: the store does not answer.
        """

    async def events(self, tenant: str, response_id: str, after: int) -> Sequence[Batch]:
        """Return what has come of the events of a streamed response, from a batch on; they are kept for an hour.

        Raises:
            ControlError: the store does not answer.
        """

    async def remove(self, tenant: str, response_id: str) -> bool:
        """Forget a response; tell whether there was one.

        Raises:
            ControlError: the store does not answer.
        """


class MemoryStore:
    """The fake beside the protocol: nothing expires."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}
        self.said: dict[tuple[str, str], list[Batch]] = {}

    async def put(self, tenant: str, subject: str | None, stored: Stored, days: int) -> None:
        """Keep a response."""
        self.kept[tenant, stored.response_id] = stored.encoded()

    async def get(self, tenant: str, response_id: str) -> Stored | None:
        """Return a response."""
        found = self.kept.get((tenant, response_id))
        return Stored(**loads(found)) if found is not None else None

    async def events(self, tenant: str, response_id: str, after: int) -> Sequence[Batch]:
        """Return what was said of a streamed response."""
        return self.said.get((tenant, response_id), [])[after:]

    async def remove(self, tenant: str, response_id: str) -> bool:
        """Forget a response."""
        self.said.pop((tenant, response_id), None)
        return self.kept.pop((tenant, response_id), None) is not None


@dataclass(frozen=True, slots=True)
class SealedStore:
    """Keeps responses in the control database, which sees ciphertext only.

    `subject_ref` gives the random reference of a subject id, by which everything about a subject is erased.
    """

    database: Database
    master: MasterKey
    subject_ref: Callable[[str, str], str]

    async def put(self, tenant: str, subject: str | None, stored: Stored, days: int) -> None:
        """Keep a response."""
        await asyncio.to_thread(self._put, tenant, subject, stored, days)

    async def get(self, tenant: str, response_id: str) -> Stored | None:
        """Return a response."""
        item = await asyncio.to_thread(sealed.get, self.database, tenant, KIND, response_id)
        return None if item is None else self._opened(tenant, item)

    async def events(self, tenant: str, response_id: str, after: int) -> Sequence[Batch]:
        """Return what was said of a streamed response."""
        return await asyncio.to_thread(self._events, tenant, response_id, after)

    async def remove(self, tenant: str, response_id: str) -> bool:
        """Forget a response."""
        return await asyncio.to_thread(self._remove, tenant, response_id)

    def ref(self, tenant: str, subject: str | None) -> str | None:
        """Return the reference of a subject, if there is one."""
        return None if subject is None else self.subject_ref(tenant, subject)

    def seal(self, tenant: str, about: str, raw: bytes) -> bytes:
        """Encrypt something about a response; `about` binds it to its place."""
        return self._sealer.seal(tenant, about, raw)

    def open(self, tenant: str, about: str, ciphertext: bytes) -> bytes | None:
        """Decrypt; None for what nobody can read any more."""
        return self._sealer.open(tenant, about, ciphertext)

    def item(self, tenant: str, stored: Stored, ref: str | None, days: int) -> sealed.SealedItem:
        """Return a response as it is kept."""
        ciphertext = self.seal(tenant, stored.response_id, stored.encoded())
        until_us = self.database.clock_us() + days * _DAY_US
        return sealed.SealedItem(KIND, stored.response_id, ciphertext, ref, until_us, stored.automation)

    def _put(self, tenant: str, subject: str | None, stored: Stored, days: int) -> None:
        item = self.item(tenant, stored, self.ref(tenant, subject), days)
        with self.database.write() as tx:
            sealed.replace(tx, tenant, item)

    def batch(self, tenant: str, response_id: str, batch: Batch, ref: str | None) -> sealed.SealedItem:
        """Return events as they are kept."""
        name = f"{response_id}{sealed.PART}{batch.number:06d}"
        ciphertext = self.seal(tenant, name, zlib.compress(orjson.dumps(batch.events), 1))
        return sealed.SealedItem(EVENTS, name, ciphertext, ref, self.database.clock_us() + _HOUR_US)

    def _events(self, tenant: str, response_id: str, after: int) -> list[Batch]:
        first = f"{response_id}{sealed.PART}{after:06d}"
        items = sealed.below(self.database, tenant, EVENTS, f"{response_id}{sealed.PART}", first)
        opened = ((item, self.open(tenant, item.item_id, item.ciphertext)) for item in items)
        return [Batch(_place(item), loads(zlib.decompress(raw))) for item, raw in opened if raw is not None]

    def _remove(self, tenant: str, response_id: str) -> bool:
        with self.database.write() as tx:
            sealed.remove_parts(tx, tenant, EVENTS, response_id)
            return sealed.remove(tx, tenant, KIND, response_id)

    def _opened(self, tenant: str, item: sealed.SealedItem) -> Stored | None:
        raw = self.open(tenant, item.item_id, item.ciphertext)
        return None if raw is None else Stored(**loads(raw))

    @property
    def _sealer(self) -> Sealer:
        return Sealer(self.master, "gateway/responses")


def _place(item: sealed.SealedItem) -> int:
    return int(item.item_id.rpartition(sealed.PART)[2])
