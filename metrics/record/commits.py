"""The values that a commit is made of."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from metrics.record.content import Content
from metrics.record.events import Event

OnFailure = Literal["block", "serve"]


class JournalUnavailableError(RuntimeError):
    """The record could not be made durable, so the call must not be served."""


@dataclass(frozen=True, slots=True)
class Commit:
    """How a record was kept.

    `deferred`: only in memory yet (the journal failed and the policy says serve). `content_shed`: the disk is
    nearly full, so the sealed content was left out; the record itself is durable.
    """

    deferred: bool = False
    content_shed: bool = False
    subject_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the journal goes before it gives up, and what it keeps in memory meanwhile."""

    batch: int = 512
    attempts: int = 3
    retry_s: float = 0.25
    deferred_events: int = 10_000
    begins: int = 10_000
    segment_bytes: int = 64 << 20
    content_floor_bytes: int | None = None  # None: 5 % of the disk, at most 1 GiB


@dataclass(slots=True)
class Pending:
    """A record on its way to the disk; without a future nobody waits for it."""

    event: Event
    content: Content | None = None
    serve: bool = False
    future: asyncio.Future[Commit] | None = None
    shed: bool = False
    sealed: bool = False  # its content is durable already; only the record itself is tried again
