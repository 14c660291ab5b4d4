"""Counts what the record does not hold as promised, so that the hole itself is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from metrics.record.events import Event
from metrics.record.ids import time_ordered


@dataclass(slots=True)
class _Gap:
    count: int
    since_us: int
    until_us: int


class Gaps:
    """What was lost, deferred or shed since the last report, per tenant."""

    def __init__(self, writer: str, make_id: Callable[[str, int], str] = time_ordered) -> None:
        self._writer, self._make_id = writer, make_id
        self._open: dict[tuple[str, str, str], _Gap] = {}

    @property
    def open(self) -> bool:
        """Say whether there is anything to report."""
        return bool(self._open)

    def note(self, what: str, reason: str, event: Event) -> None:
        """Count one event; `what` is lost, deferred or content_shed."""
        gap = self._open.setdefault((event.tenant, what, reason), _Gap(0, event.ts_us, event.ts_us))
        gap.count += 1
        gap.since_us = min(gap.since_us, event.ts_us)
        gap.until_us = max(gap.until_us, event.ts_us)

    def with_shed(self, events: Sequence[Event]) -> Gaps:
        """Return these holes and those that content left out now would leave."""
        together = Gaps(self._writer, self._make_id)
        together._open.update({key: replace(gap) for key, gap in self._open.items()})
        for event in events:
            together.note("content_shed", "disk full", event)
        return together

    def report(self, ts_us: int) -> list[Event]:
        """Return one `gap` event for each hole; `clear` forgets them once they are durable."""
        return [
            Event(
                event_id=self._make_id("gap_", ts_us),
                kind="gap",
                ts_us=ts_us,
                tenant=tenant,
                actor=self._writer,
                body={
                    "what": what,
                    "reason": reason,
                    "events": gap.count,
                    "since_us": gap.since_us,
                    "until_us": gap.until_us,
                },
            )
            for (tenant, what, reason), gap in self._open.items()
        ]

    def clear(self) -> None:
        """Forget what was reported."""
        self._open.clear()
