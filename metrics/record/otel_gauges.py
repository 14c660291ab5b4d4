"""How the machine stands at this moment: the recorder's place in the journal, its damage, and the gateway's workers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from metrics.record.otel_instruments import COUNTER, GAUGE, Family, Point, Spec, counter, gauge

if TYPE_CHECKING:  # the gateway describes its workers with this file and must not load DuckDB
    from metrics.record.recorder import Recorder

STATUS_FOLDER: Final = "status"
_MODEL: Final = ("gen_ai.provider.name", "gen_ai.request.model")
_STATES: Final = {"half_open": 1.0, "open": 2.0}
_STALE_S: Final = 15.0  # a worker that said nothing for so long is gone


def machine(recorder: Recorder) -> list[Family]:
    """Return every family that is looked up and not counted."""
    return [*of_recorder(recorder), *of_workers(live_workers(recorder.data, time.time()))]


def of_recorder(recorder: Recorder) -> list[Family]:
    """Describe the recorder: up or not, how far it is, what was damaged."""
    said = recorder.status()
    behind = max(0, said["behind_bytes"])  # -1 means not known, which `running` says
    return [
        gauge("sluice.recorder.up", "1: the recorder answers.", 1),
        gauge("sluice.recorder.running", "1: the recorder follows the journal.", said["phase"] == "running"),
        gauge("sluice.recorder.behind", "Records in the journal that are not in the ledger yet.", behind, "By"),
        gauge("sluice.order.seq", "Newest number given to a record.", said["order_seq"]),
        gauge("sluice.ledger.seq", "Newest record in the ledger.", said["seq"]),
        gauge("sluice.aggregates.seq", "Newest record that runs and days show.", said["aggregated_seq"]),
        gauge("sluice.ledger.newest_time", "Time of the newest record in the ledger.", said["ts_us"] / 1e6, "s"),
        gauge("sluice.recorder.last_step_time", "When the recorder last looked.", said["last_step_us"] / 1e6, "s"),
        counter("sluice.records", "Records taken in since the recorder started.", said["records"]),
        counter("sluice.records.duplicate", "Records that came a second time and were left out.", said["duplicates"]),
        counter("sluice.calls.interrupted", "Calls closed because their process had died.", said["interrupted"]),
        counter(
            "sluice.order.damaged_lines", "Lines of the order file that cannot be read.", len(said["order_damage"])
        ),
        _damage(recorder.counters.damaged_by_reason),
    ]


def live_workers(data: Path, now_s: float) -> list[dict[str, Any]]:
    """Return what the gateway's live workers said last; nothing where their folder cannot be read."""
    found = []
    for path in sorted((data / STATUS_FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, ValueError):  # it may be leaving at this moment
            if now_s - path.stat().st_mtime < _STALE_S:
                found.append(orjson.loads(path.read_bytes()))
    return [said for said in found if isinstance(said, dict)]


def of_workers(workers: Sequence[dict[str, Any]]) -> Iterator[Family]:
    """Describe the workers together: a worker is short-lived, so none has a series of its own."""
    away = sum(not said.get("journal", True) for said in workers)
    stale = sum(said.get("stale_since") is not None for said in workers)
    snapshots = {said.get("snapshot") for said in workers}
    yield gauge("sluice.workers", "Gateway workers that are alive.", len(workers))
    yield gauge("sluice.workers.journal_unavailable", "Workers that cannot write the journal.", away)
    yield gauge("sluice.workers.control_stale", "Workers that cannot read the control database.", stale)
    yield gauge("sluice.workers.snapshots", "Different policy snapshots in force; 1 is in step.", len(snapshots))
    yield _breakers(workers)


def _breakers(workers: Sequence[dict[str, Any]]) -> Family:
    """Describe the circuit breakers, which the workers of a machine share."""
    spec = Spec("sluice.breaker.state", GAUGE, "0: closed, 1: half open, 2: open.", _MODEL)
    states: dict[str, str] = {}
    for said in workers:
        states |= said.get("breakers") or {}
    points = [Point(_parted(name), _STATES.get(state, 0)) for name, state in sorted(states.items())]
    return Family(spec, points)


def _parted(name: str) -> tuple[str, str]:
    provider, _, model = name.partition("/")
    return provider, model


def _damage(by_reason: dict[str, int]) -> Family:
    spec = Spec("sluice.journal.damaged", COUNTER, "Stretches of segments that cannot be read.", ("sluice.reason",))
    counts = {"torn": 0, "garbled": 0} | dict(by_reason)
    return Family(spec, [Point((reason,), count) for reason, count in counts.items()])
