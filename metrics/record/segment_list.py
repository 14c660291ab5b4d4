"""Which segments there are, how far each was read, and whose writers are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from metrics.record.reader import has_writer, size_of
from metrics.record.segments import CONTENT, META, SegmentName

_ALL_DAYS_EVERY_S = 5.0
_LOCKS_EVERY_S = 0.5
_RECENT_DAYS = 2


@dataclass(slots=True)
class Tail:
    """How far one segment was read."""

    name: SegmentName
    path: Path
    read_to: int = 0
    gone: bool = False  # no process will append any more

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return size_of(self.path)

    @property
    def behind(self) -> int:
        """Bytes not read yet."""
        return max(0, self.size - self.read_to)


class SegmentList:
    """The segments whose writers are not dealt with yet. `positions` comes from the ledger."""

    def __init__(
        self,
        journal: Path,
        positions: Mapping[str, tuple[int, bool]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._monotonic = journal, monotonic
        self._positions = positions
        self._done = {segment for segment, (_, done) in positions.items() if done}
        self._tails: dict[str, Tail] = {}
        self._all_days_at = self._locks_at = 0.0
        self.discover()

    def tails(self, family: str) -> list[Tail]:
        """Return the segments of a family, oldest first."""
        return sorted((t for t in self._tails.values() if t.name.family == family), key=lambda tail: tail.name)

    @property
    def behind(self) -> int:
        """Bytes of meta segments not read yet, those that were not discovered yet included.

        Other threads may ask: nothing is changed here, and the lists are copied in one go.
        """
        tails = [tail for tail in list(self._tails.values()) if tail.name.family == META]
        seen = {tail.name.relative for tail in tails}
        names = [name.relative for name in self._files(META, everything=False)]
        fresh = [name for name in names if name not in seen and name not in self._done]
        return sum(tail.behind for tail in tails) + sum(size_of(self._journal / name) for name in fresh)

    def discover(self, everything: bool = False) -> None:
        """Look for new segments: always in the newest days, now and then in all."""
        if self._monotonic() >= self._all_days_at:
            self._all_days_at = self._monotonic() + _ALL_DAYS_EVERY_S
            everything = True
        for family in (META, CONTENT):
            for name in self._files(family, everything):
                if name.relative not in self._tails and name.relative not in self._done:
                    read_to, _ = self._positions.get(name.relative, (0, False))
                    self._tails[name.relative] = Tail(name, self._journal / name.relative, read_to)

    def look_for_dead(self) -> None:
        """Mark the segments that nobody holds any more; each was created locked, so that is for ever.

        A writer creates its next segment before it frees the last one: a look at the folders after the look at the
        locks therefore finds every segment of a writer that still lives.
        """
        if self._monotonic() < self._locks_at:
            return
        self._locks_at = self._monotonic() + _LOCKS_EVERY_S
        newly = [tail for tail in self._tails.values() if not tail.gone and not has_writer(tail.path)]
        for tail in newly:
            tail.gone = True
        if newly:
            self.discover(everything=True)

    def finished_writers(self) -> list[str]:
        """Return the writers that are gone and whose segments were all read to the end."""
        return [
            writer
            for writer, tails in self._by_writer().items()
            if all(tail.gone and not tail.behind for tail in tails)
        ]

    def forget(self, writer: str) -> dict[str, tuple[int, bool]]:
        """Drop a writer that is dealt with; return its final positions."""
        names = [name for name, tail in self._tails.items() if tail.name.writer == writer]
        self._done.update(names)
        return {name: (self._tails.pop(name).read_to, True) for name in names}

    def _by_writer(self) -> dict[str, list[Tail]]:
        writers: dict[str, list[Tail]] = {}
        for tail in self._tails.values():
            writers.setdefault(tail.name.writer, []).append(tail)
        return writers

    def _files(self, family: str, everything: bool) -> Iterator[SegmentName]:
        days = sorted(day for day in (self._journal / family).glob("????-??-??"))
        for day in days if everything else days[-_RECENT_DAYS:]:
            with suppress(FileNotFoundError):  # retention takes folders away
                for path in day.iterdir():
                    name = SegmentName.parse(f"{family}/{day.name}/{path.name}")
                    if name and not path.name.endswith(".gz"):
                        yield name
