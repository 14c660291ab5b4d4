"""A brake on guessing API keys: wrong keys per client address and minute, counted for all workers of this machine."""

import hashlib
import mmap
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from gateway.errors import TooManyWrongKeys
from gateway.shared_map import mapped

WRONG_KEYS_A_MINUTE: Final = 20
_SLOTS: Final = 4096  # two addresses that share one share its limit; right keys are never held up
_SLOT: Final = Struct("<II")  # minute, count
_TOO_MANY: Final = "Too many wrong API keys came from your address; wait before you try another."
_MINUTE_US: Final = 60_000_000


class Counted(NamedTuple):
    """How many wrong keys an address has sent in this minute, and the seconds until the next one."""

    keys: int
    wait_s: int

    @property
    def over(self) -> bool:
        return self.keys > WRONG_KEYS_A_MINUTE

    @property
    def just_over(self) -> bool:
        return self.keys == WRONG_KEYS_A_MINUTE + 1


def braked(counted: Counted) -> TooManyWrongKeys | None:
    """Return what a caller with too many wrong keys is told instead."""
    if not counted.over:
        return None
    return TooManyWrongKeys(_TOO_MANY, headers={"retry-after": str(counted.wait_s)})


class Brake:
    """Counts in a table: its own, or one that processes share. Two counts at the same instant may become one."""

    def __init__(self, table: mmap.mmap | bytearray | None = None) -> None:
        self._table = bytearray(_SLOTS * _SLOT.size) if table is None else table

    def count(self, address: str, now_us: int) -> Counted:
        """Count one wrong key."""
        minute, at = now_us // _MINUTE_US, _place(address)
        seen, count = _SLOT.unpack_from(self._table, at)
        if seen == minute + 1:  # this call began before the turn of the minute, and another worker's after it
            minute = seen
        count = count + 1 if seen == minute else 1
        _SLOT.pack_into(self._table, at, minute, count)
        return Counted(count, 60 - now_us % _MINUTE_US // 1_000_000)


def shared_brake(data: Path) -> Brake:
    """Return the brake of a data folder; one of this process alone where the file cannot be had."""
    try:
        return Brake(mapped(data / "wrong-keys.map", _SLOTS * _SLOT.size))
    except OSError:
        return Brake()


def _place(address: str) -> int:
    digest = hashlib.blake2b(address.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") % _SLOTS * _SLOT.size
