"""The journal: where a process leaves its records before anybody is told that they exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from metrics.record.content import Content
from metrics.record.events import Event

OnFailure = Literal["block", "serve"]


class JournalUnavailableError(RuntimeError):
    """The record could not be made durable, so the call must not be served."""


JournalUnavailable = JournalUnavailableError


@dataclass(frozen=True, slots=True)
class Commit:
    """How a record was kept.

    `deferred`: only in memory yet (the journal failed and the policy says serve). `content_shed`: the disk is
    nearly full, so the sealed content was left out; the record itself is durable.
    """

    deferred: bool = False
    content_shed: bool = False
    subject_ref: str | None = None


class Journal(Protocol):
    """One per process; all methods are called from its one event loop."""

    @property
    def available(self) -> bool:
        """Say whether the last attempt to make records durable succeeded."""
        ...

    def write(self, event: Event) -> None:
        """Append an event without syncing it. Never raises: what could not be written is tried again."""
        ...

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        """Return once the event and its content are durable.

        Raises `JournalUnavailable` when they cannot be made durable and `on_failure` is `block`.
        """
        ...

    async def close(self) -> None:
        """Make everything durable and let go of the files."""
        ...


class MemoryJournal:
    """Keeps records in lists. `fail` makes every commit fail, as a full disk would."""

    def __init__(self) -> None:
        self.written: list[Event] = []
        self.committed: list[tuple[Event, Content | None]] = []
        self.deferred: list[tuple[Event, Content | None]] = []
        self.fail = False

    @property
    def available(self) -> bool:
        """Say whether commits succeed."""
        return not self.fail

    @property
    def events(self) -> list[Event]:
        """Every event, begins first."""
        return self.written + [event for event, _ in self.committed]

    def write(self, event: Event) -> None:
        """Keep the event."""
        self.written.append(event)

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        """Keep the event and its content."""
        if self.fail and on_failure == "block":
            raise JournalUnavailableError("the journal cannot be written: the test said so")
        (self.deferred if self.fail else self.committed).append((event, content))
        return Commit(deferred=self.fail)

    async def close(self) -> None:
        """Do nothing."""
