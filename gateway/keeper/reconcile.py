"""What dead workers held of budgets: their journals show what they spent, and the rest can be spent again.

Each machine settles for its own dead, whichever keeper holds the lease, for only it has their journals.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gateway.control import budgets
from gateway.control.budgets import Left
from gateway.control.database import Database
from metrics.record.events import Event
from metrics.record.reader import Line, has_writer, keeping, read_stretch
from metrics.record.rows import call_of
from metrics.record.segments import META, day_of

# A holder of another machine is only known by its silence; it shows itself every ten seconds.
SILENT_US: Final = 45_000_000
_AT_ONCE: Final = 1 << 20
_Spent = Counter[tuple[str, str, int]]


class Reconciler:
    """Settles for the dead. Until then all that they held counts as spent."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database, self._journal = database, data / "journal"

    def settle(self) -> int:
        """Return to each allowance what dead workers of this machine left unspent; return how many leases ended.

        Places for calls under way come back from silent workers of other machines as well. Their money does not: what
        a machine that is gone had leased counts as spent until it comes back or the period ends.
        """
        now_us, done = self._database.clock_us(), 0
        for holder, held in _by_holder(budgets.held(self._database)).items():
            segments = self._segments(holder, min(left.since_us for left in held))
            if any(has_writer(path) for path in segments):
                continue
            spent = charged(self._events(segments)) if segments else None
            for left in held:
                if spent is not None or _only_a_place(left, now_us):
                    allowance = left.allowance
                    used = spent[allowance.tenant, allowance.name, allowance.period_us] if spent else 0
                    done += budgets.reconcile(self._database, left, used)
        return done

    def _segments(self, holder: str, since_us: int) -> list[Path]:
        days = sorted(day for day in (self._journal / META).glob("????-??-??") if day.name >= day_of(since_us))
        return [path for day in days for path in sorted(day.glob(f"{holder}-*"))]

    def _events(self, segments: Iterable[Path]) -> Iterator[Event]:
        for path in segments:
            name, at = str(path.relative_to(self._journal)).removesuffix(".gz"), 0
            lines: list[Line] = []
            while (stretch := read_stretch(self._journal, name, at, _AT_ONCE, True, keeping(lines))) is not None:
                yield from (line.event for line in lines)
                lines.clear()
                at = stretch.end


def charged(events: Iterable[Event]) -> _Spent:
    """Add up what calls were charged; one that did not end counts with all that it set aside."""
    begun: dict[str, Event] = {}
    spent: _Spent = Counter()
    for event in events:
        if event.kind == "call.reserved":
            begun[event.event_id.removesuffix(".r")] = event
        elif event.kind == "call.end" and event.body.get("charges"):
            begun.pop(call_of(event), None)
            _add(spent, event)
    for event in begun.values():
        _add(spent, event)
    return spent


def _add(spent: _Spent, event: Event) -> None:
    for name, period_us, amount in event.body["charges"]:
        spent[event.tenant, name, period_us] += amount


def _by_holder(left: Iterable[Left]) -> dict[str, list[Left]]:
    held: dict[str, list[Left]] = defaultdict(list)
    for each in left:
        held[each.holder].append(each)
    return held


def _only_a_place(left: Left, now_us: int) -> bool:
    return left.allowance.period_us == 0 and left.seen_us < now_us - SILENT_US
