"""The circuit breakers of every provider and model, in a table that the workers of a machine share."""

import fcntl
import hashlib
import mmap
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import Any, Final

from gateway.resilience.breaker import CLOSED, Admission, Phase, State, admit, report, shown
from gateway.shared_map import mapped
from policy.providers import Breaker, Provider

_SLOTS: Final = 512
_NEAR: Final = 8  # slots that a name may stand in; beyond that the one that was quiet longest gives way
_KEY: Final = Struct("<Q")
_SLOT: Final = Struct("<QIIIIQQQ96s")  # key, phase, row, calls, failed, window, since, probe, name
_CALLS: Final = Struct("<I")
_CALLS_AT: Final = 16
_SIZE: Final = _SLOTS * _SLOT.size
_PHASES: Final[tuple[Phase, ...]] = ("closed", "open", "half_open")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:/@+-]{1,96}")
_LOCK_NAME: Final = "breakers.lock"
_MAP_NAME: Final = "breakers.map"


class Breakers:
    """Reads and writes the table; without one, a table of this process alone."""

    def __init__(
        self,
        table: mmap.mmap | bytearray | None = None,
        locked: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._table = bytearray(_SIZE) if table is None else table
        self._locked = locked

    def admit(self, name: str, rule: Breaker, now_ms: int) -> Admission:
        """Say whether a call to `provider/model` may go; the one that probes is told so and must report."""
        place = self._find(name)
        state = CLOSED if place is None else self._state(place)
        if state.phase == "closed":
            return Admission("closed", True)
        with self._locked():
            place = self._own(name)
            admission, after = admit(self._state(place), rule, now_ms)
            self._write(place, name, after)
        return admission

    def report(self, name: str, rule: Breaker, now_ms: int, well: bool | None) -> None:
        """Count how an admitted call went; None: it was left before it could be told."""
        if well and self._counted_lightly(name, rule, now_ms):
            return
        with self._locked():
            place = self._own(name)
            self._write(place, name, report(self._state(place), rule, now_ms, well))

    def _counted_lightly(self, name: str, rule: Breaker, now_ms: int) -> bool:
        """Count one more success among successes in one write, without the lock; two at the same instant may be one."""
        place = self._find(name)
        state = CLOSED if place is None else self._state(place)
        if (
            place is None
            or state.phase != "closed"
            or state.row
            or not 0 <= now_ms - state.window_ms < rule.window_s * 1000
        ):
            return False
        _CALLS.pack_into(self._table, place + _CALLS_AT, state.calls + 1)
        return True

    def seen(self, providers: Mapping[str, Provider], now_ms: int) -> list[dict[str, Any]]:
        """Describe every breaker that has counted a call."""
        found = []
        with memoryview(self._table) as table, table.cast("Q") as words:
            keys = words[:: _SLOT.size // _KEY.size].tolist()
        for place in [at * _SLOT.size for at, key in enumerate(keys) if key]:
            state, name = self._state(place), _SLOT.unpack_from(self._table, place)[-1].rstrip(b"\0").decode()
            provider = providers.get(name.partition("/")[0])
            rule = provider.breaker if provider else Breaker()
            said = {"name": name, "state": shown(state, rule, now_ms), "failures_in_a_row": state.row}
            if state.phase != "closed":
                said["open_s"] = round(max(0.0, (now_ms - state.since_ms) / 1000), 1)
            found.append(said)
        return sorted(found, key=lambda each: str(each["name"]))

    def _find(self, name: str) -> int | None:
        key = _key(name)
        for at in _places(key):
            if _KEY.unpack_from(self._table, at)[0] == key:
                return at
        return None

    def _own(self, name: str) -> int:
        """Return the slot of a name, taking over the one that matters least."""
        place = self._find(name)
        if place is None:
            place = min(_places(_key(name)), key=self._worth)
            self._write(place, name, CLOSED)
        return place

    def _worth(self, place: int) -> tuple[bool, bool, int]:
        state = self._state(place)
        taken = _KEY.unpack_from(self._table, place)[0] != 0
        return taken, state.phase != "closed", max(state.window_ms, state.since_ms)

    def _state(self, place: int) -> State:
        _, phase, row, calls, failed, window, since, probe, _ = _SLOT.unpack_from(self._table, place)
        return State(_PHASES[phase % len(_PHASES)], row, calls, failed, window, since, probe)

    def _write(self, place: int, name: str, state: State) -> None:
        phase, *numbers = state
        _SLOT.pack_into(self._table, place, _key(name), _PHASES.index(phase), *numbers, _label(name))


def shared_breakers(data: Path) -> Breakers:
    """Return the breakers of a data folder; those of this process alone where the files cannot be had."""
    try:
        return Breakers(mapped(data / _MAP_NAME, _SIZE), _file_lock(data / _LOCK_NAME))
    except OSError:
        return Breakers()


def _file_lock(path: Path) -> Callable[[], AbstractContextManager[None]]:
    """Return a lock between processes; the kernel frees it when its holder dies."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def locked() -> Iterator[None]:
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    return locked


@lru_cache(maxsize=_SLOTS)
def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") | 1


@lru_cache(maxsize=_SLOTS)
def _places(key: int) -> tuple[int, ...]:
    return tuple((key + near) % _SLOTS * _SLOT.size for near in range(_NEAR))


def _label(name: str) -> bytes:
    """Return the name as it is shown; one that could be a text of a caller is shown by its hash."""
    if _PLAIN.fullmatch(name):
        return name.encode()
    provider = name.partition("/")[0]
    return f"{provider[:70]}/{_key(name):016x}".encode()[:96]
