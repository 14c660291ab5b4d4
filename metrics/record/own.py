"""What the recorder adds to the journal: ends for the calls of dead writers, damage, what it let people see."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from metrics.record.events import Event, encode
from metrics.record.fileops import FileOps, OsFiles
from metrics.record.ids import Clock, time_ordered
from metrics.record.reader import Stretch
from metrics.record.rows import END, RECORDER, call_of
from metrics.record.segments import META, SegmentWriter

_KEPT = (
    "endpoint", "stream", "key_id", "team", "environment", "data_class", "model_requested", "policy", "policy_hash",
    "snapshot", "labels", "trace_id", "span_id", "parent_span_id", "trace_flags",
)  # fmt: skip


def told(kind: str, actor: str, tenant: str, now_us: int, **body: Any) -> Event:
    """Say that somebody did something through the recorder."""
    return Event(time_ordered("evt_", now_us), kind, now_us, tenant, actor=actor, body=body)


class OwnSegments:
    """The recorder's own writer. What it writes is read and numbered like any other record."""

    def __init__(self, journal: Path, clock: Clock, files: FileOps | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._meta = SegmentWriter(journal, META, time_ordered("rec-", clock()), files or OsFiles(), clock)

    def append(self, events: Sequence[Event]) -> None:
        """Make events durable; any thread may. Raises `OSError`."""
        if not events:
            return
        with self._lock:
            if self._meta.due:
                self._meta.roll()
            self._meta.append(b"".join(encode(event) for event in events))
            self._meta.sync()

    def close(self) -> None:
        """Let go of the segment."""
        self._meta.close()


def interrupted(begin: Event) -> Event:
    """End a call whose process died. It carries the begin's time: nobody knows when it ended."""
    body = {name: begin.body[name] for name in _KEPT if name in begin.body}
    body |= {"call_id": call_of(begin), "outcome": "interrupted"}
    return replace(begin, event_id=f"{call_of(begin)}.e", kind=END, actor=RECORDER, body=body)


def damage_reports(stretches: Iterable[Stretch], now_us: int) -> list[Event]:
    """Say which bytes of which segments could not be read."""
    return [
        Event(
            event_id=f"damage_{stretch.segment}_{skip.start}",
            kind="journal.damaged",
            ts_us=now_us,
            tenant="",
            actor=RECORDER,
            body={"segment": stretch.segment, "start": skip.start, "end": skip.end, "reason": skip.reason},
        )
        for stretch in stretches
        for skip in stretch.skipped
        if skip.reason != "duplicate"
    ]
