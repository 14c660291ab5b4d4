"""Carries out erasures: every store is asked until it has answered, then all are asked again and must be empty."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.control import erasures, sealed
from gateway.control.database import Database
from gateway.control.erasures import DONE, Erasure
from gateway.control.errors import Conflict, ControlError
from gateway.control.leases import Lease, acquire, release
from metrics.proof.erasure import Ack, Content, ErasureList, Keys, Store, Target
from metrics.record.keystore import KeyStore, KeyStoreError

LEASE: Final = "erasure"
TTL_S: Final = 600.0
_ROUNDS: Final = 5
_LOG: Final = logging.getLogger("gateway.keeper")


@dataclass(frozen=True, slots=True)
class SealedItems:
    """The control database's sealed table: held outputs and their reviews, responses, jobs, replies, the cache."""

    database: Database
    name: str = "control"

    def erase(self, target: Target) -> Ack:
        """Delete the items; write the file anew. Raises `ControlUnavailable`."""
        counts = sealed.erase(self.database, target)
        sealed.scrub(self.database, always=False)
        postgres = self.database.engine.dialect.name == "postgresql"
        return Ack(self.name, counts, "PostgreSQL's own log and base backups keep ciphertext" if postgres else "")


def local_stores(database: Database, keystore: KeyStore, data: Path) -> tuple[Store, ...]:
    """Return the stores of this machine, in the order in which they are asked: the keys go last."""
    return (Content(data / "journal"), SealedItems(database), Keys(keystore))


@dataclass(frozen=True, slots=True)
class Eraser:
    """Finishes what was asked for; a crash at any point is made good by the next `work`."""

    database: Database
    stores: Sequence[Store]
    listed: ErasureList
    holder: str
    alive: Callable[[], None] = lambda: None  # called between two steps

    def work(self) -> list[Erasure]:
        """Finish all erasures that were asked for; nothing when another process is at it.

        Raises:
            OSError, KeyStoreError, ControlError: what is not done stays asked for.
        """
        waiting = erasures.unfinished(self.database)
        lease = acquire(self.database, LEASE, self.holder, TTL_S) if waiting else None
        if lease is None:
            return []
        try:
            return [self._one(erasure) for erasure in waiting]
        finally:
            release(self.database, lease)

    def _one(self, erasure: Erasure) -> Erasure:
        self.listed.append(erasure.listed)
        self.alive()
        for store in self.stores:
            if store.name not in erasure.acks:
                ack = store.erase(erasure.target)
                self.alive()
                erasure = erasures.acknowledge(self.database, erasure, ack)
                self.alive()
        self._verify(erasure)
        self.alive()
        backups = Ack(
            "backups", {"listed": 1}, "copies made before keep it until you delete them; a restore erases it again"
        )
        erasure = erasures.acknowledge(self.database, erasure, backups)
        try:
            return erasures.finish(self.database, erasure)
        except Conflict:  # somebody whose lease ran out finished it
            return erasure

    def _verify(self, erasure: Erasure) -> None:
        """Ask again: what was written while the stores were asked is found now."""
        for _ in range(_ROUNDS):
            if all(store.erase(erasure.target).empty for store in self.stores):
                return
        raise KeyStoreError(f"{erasure.erasure_id}: something about the subject is written all the time")


class ErasureDuty:
    """The keeper's: erasures that were asked for through the API, or that a crash interrupted."""

    def __init__(self, eraser: Eraser) -> None:
        self._eraser = eraser

    def look(self, _lease: Lease) -> None:
        """Finish what waits. What fails is tried again at the next look."""
        try:
            done = self._eraser.work()
        except (OSError, KeyStoreError, ControlError) as error:
            _LOG.warning("an erasure could not be finished yet: %s", type(error).__name__)
            return
        for erasure in done:
            _LOG.info("erasure %s is %s", erasure.erasure_id, DONE)
