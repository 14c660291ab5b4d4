"""Answers that may be given again, to a repeated request or from the cache: sealed, and clean text only."""

import asyncio
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Protocol

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.control import sealed
from gateway.control.database import Database
from gateway.wire.numbers import loads
from metrics.record.master import MasterKey

_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept under a name: what was asked (keyed hash), and the clean answer; None while it is being made.

    `review`: the answer is held, and what became of it is asked there.
    """

    asked: str
    answer: dict[str, Any] | None = None
    review: str | None = None

    def encoded(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps(self)


class Named(NamedTuple):
    """Under what an answer is kept, and for how long."""

    kind: str
    name: str
    seconds: float


class AnswerStore(Protocol):
    """Keeps answers by tenant, kind and name. Every method may raise `ControlError`."""

    def hidden(self, tenant: str, *parts: bytes) -> str:
        """Turn what a caller sent into a name that tells nothing."""
        ...

    async def claim(self, tenant: str, kind: str, name: str, asked: str, seconds: float) -> Known | None:
        """Take a free name for a while; return None when it was free, else what is kept under it."""
        ...

    async def get(self, tenant: str, kind: str, name: str) -> Known | None:
        """Return what is kept."""
        ...

    async def put(self, tenant: str, name: Named, known: Known, subject: str | None = None) -> None:
        """Keep an answer; `subject` is the id of the person it is about."""
        ...

    async def drop(self, tenant: str, kind: str, name: str) -> None:
        """Free a name."""
        ...


@dataclass(slots=True)
class MemoryAnswers:
    """The fake beside the protocol: nothing expires."""

    kept: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def hidden(self, tenant: str, *parts: bytes) -> str:
        """Turn what a caller sent into a name."""
        return _hidden(tenant.encode(), parts)

    async def claim(self, tenant: str, kind: str, name: str, asked: str, seconds: float) -> Known | None:
        """Take a free name."""
        found = await self.get(tenant, kind, name)
        if found is None:
            self.kept[tenant, kind, name] = Known(asked).encoded()
        return found

    async def get(self, tenant: str, kind: str, name: str) -> Known | None:
        """Return what is kept."""
        found = self.kept.get((tenant, kind, name))
        return None if found is None else Known(**loads(found))

    async def put(self, tenant: str, name: Named, known: Known, subject: str | None = None) -> None:
        """Keep an answer."""
        self.kept[tenant, name.kind, name.name] = known.encoded()

    async def drop(self, tenant: str, kind: str, name: str) -> None:
        """Free a name."""
        self.kept.pop((tenant, kind, name), None)


@dataclass(frozen=True, slots=True)
class SealedAnswers:
    """Answers in the control database, which sees ciphertext only. `subject_ref` is that of `SealedStore`."""

    database: Database
    master: MasterKey
    subject_ref: Callable[[str, str], str]
    _keys: dict[str, tuple[bytes, AESGCM]] = field(default_factory=dict, repr=False)

    def hidden(self, tenant: str, *parts: bytes) -> str:
        """Turn what a caller sent into a name that tells nothing."""
        return _hidden(self._key(tenant)[0], parts)

    async def claim(self, tenant: str, kind: str, name: str, asked: str, seconds: float) -> Known | None:
        """Take a free name for a while; return None when it was free, else what is kept under it."""
        return await asyncio.to_thread(self._claim, tenant, self._item(tenant, kind, name, Known(asked), seconds))

    async def get(self, tenant: str, kind: str, name: str) -> Known | None:
        """Return what is kept."""
        return self._opened(tenant, await asyncio.to_thread(sealed.get, self.database, tenant, kind, name))

    async def put(self, tenant: str, name: Named, known: Known, subject: str | None = None) -> None:
        """Keep an answer."""
        await asyncio.to_thread(self._put, tenant, name, known, subject)

    async def drop(self, tenant: str, kind: str, name: str) -> None:
        """Free a name."""
        await asyncio.to_thread(self._writing, lambda tx: sealed.remove(tx, tenant, kind, name))

    def _put(self, tenant: str, name: Named, known: Known, subject: str | None) -> None:
        item = self._item(tenant, name.kind, name.name, known, name.seconds)
        if subject is not None:
            item = replace(item, subject_ref=self.subject_ref(tenant, subject))
        self._writing(lambda tx: sealed.replace(tx, tenant, item))

    def _writing(self, act: Callable[[Any], object]) -> None:
        with self.database.write() as tx:
            act(tx)

    def _claim(self, tenant: str, item: sealed.SealedItem) -> Known | None:
        with self.database.write() as tx:
            if sealed.take(tx, tenant, item):
                return None
        return self._opened(tenant, sealed.get(self.database, tenant, item.kind, item.item_id))

    def _item(self, tenant: str, kind: str, name: str, known: Known, seconds: float) -> sealed.SealedItem:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = nonce + self._key(tenant)[1].encrypt(nonce, known.encoded(), f"{tenant}\0{kind}\0{name}".encode())
        until_us = self.database.clock_us() + int(seconds * 1_000_000)
        return sealed.SealedItem(kind, name, ciphertext, expires_us=until_us)

    def _opened(self, tenant: str, item: sealed.SealedItem | None) -> Known | None:
        if item is None:
            return None
        nonce, ciphertext = item.ciphertext[:_NONCE_BYTES], item.ciphertext[_NONCE_BYTES:]
        about = f"{tenant}\0{item.kind}\0{item.item_id}".encode()
        try:
            return Known(**loads(self._key(tenant)[1].decrypt(nonce, ciphertext, about)))
        except InvalidTag:  # sealed with another master key: nobody can read it any more
            return None

    def _key(self, tenant: str) -> tuple[bytes, AESGCM]:
        if tenant not in self._keys:
            names, texts = (self.master.derive(f"gateway/answers/{use}/{tenant}") for use in ("names", "texts"))
            self._keys[tenant] = (names, AESGCM(texts))
        return self._keys[tenant]


def _hidden(key: bytes, parts: tuple[bytes, ...]) -> str:
    return hmac.digest(key, b"\0".join(b"%d:%b" % (len(part), part) for part in parts), "sha256").hex()
