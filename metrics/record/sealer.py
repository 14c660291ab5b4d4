"""Seals content with keys kept in memory, so that the hot path asks the key store once per day or subject."""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from metrics.record.content import Content, FrameKeys, seal
from metrics.record.events import Event
from metrics.record.keystore import Key, KeyStore
from metrics.record.segments import day_of

_SUBJECTS_KEPT = 50_000
_DAYS_KEPT = 1_000
_EPOCH_EVERY_S = 0.25


class Sealer:
    """Used by one thread. Forgets its keys within a quarter of a second after any erasure."""

    def __init__(self, keystore: KeyStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keystore, self._monotonic = keystore, monotonic
        self._days: OrderedDict[tuple[str, str, str], Key] = OrderedDict()
        self._subjects: OrderedDict[tuple[str, str], tuple[str, Key]] = OrderedDict()
        self._epoch = -1
        self._look_at = 0.0

    def prepare(self, batch: Iterable[tuple[Event, Content | None]]) -> None:
        """Fetch or make all keys that a batch needs, in one transaction."""
        self._forget_erased()
        missing = [(event, content) for event, content in batch if content and not self.knows(event, content)]
        if missing:
            try:
                with self._keystore.transaction():
                    for event, content in missing:
                        self._learn(event, content)
            except sqlite3.Error:
                self._forget_all()  # a key that was rolled back must never seal anything
                raise

    def subject_ref(self, event: Event, content: Content) -> str | None:
        """Return the reference that stands for the content's subject, after `prepare`."""
        return self._subjects[event.tenant, content.subject][0] if content.subject else event.subject_ref

    def seal(self, event: Event, content: Content) -> bytes:
        """Seal one event's content, after `prepare`."""
        day = self._days[_day(event, content)]
        ref, subject = self._subjects[event.tenant, content.subject] if content.subject else (None, None)
        return seal(event.event_id, event.tenant, content, FrameKeys(day, subject, ref))

    def knows(self, event: Event, content: Content) -> bool:
        """Say whether the keys for this content are at hand."""
        return _day(event, content) in self._days and (
            not content.subject or (event.tenant, content.subject) in self._subjects
        )

    def _learn(self, event: Event, content: Content) -> None:
        self._days[_day(event, content)] = self._keystore.day_key(*_day(event, content))
        if content.subject:
            self._subjects[event.tenant, content.subject] = self._keystore.subject_key(event.tenant, content.subject)

    def _forget_erased(self) -> None:
        """Drop keys between two batches, never inside one."""
        for cache, kept in ((self._days, _DAYS_KEPT), (self._subjects, _SUBJECTS_KEPT)):
            while len(cache) > kept:
                cache.popitem(last=False)
        if self._monotonic() < self._look_at:
            return
        self._look_at = self._monotonic() + _EPOCH_EVERY_S
        epoch = self._keystore.epoch()
        if epoch != self._epoch:
            self._epoch = epoch
            self._forget_all()

    def _forget_all(self) -> None:
        self._days.clear()
        self._subjects.clear()


def _day(event: Event, content: Content) -> tuple[str, str, str]:
    return event.tenant, content.retention_class, day_of(event.ts_us)
