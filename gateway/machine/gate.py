"""Order among programs: children import while their parent prepares, and say when they serve."""

import asyncio
import os
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

GATE_FD: Final = "SLUICE_GATE_FD"
ROLL_FD: Final = "SLUICE_ROLL_FD"


class Gate:
    """The parent's side: one pipe, on which nothing is ever written; closing it lets everybody through for good."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        self.is_open = False

    def open(self) -> None:
        """Let those who wait begin, and whoever comes later."""
        if not self.is_open:
            self.is_open = True
            os.close(self._write_fd)
            os.close(self.read_fd)


def wait_at_gate(environ: MutableMapping[str, str]) -> None:
    """Wait until the gate opens, or until the parent is gone; return at once when there is none."""
    text = environ.pop(GATE_FD, None)
    if text is None:
        return
    fd = int(text)
    while os.read(fd, 1):
        pass
    os.close(fd)


class Roll:
    """The parent's side: a pipe on which each child writes one byte when it serves. What can wait begins after them."""

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._left = 0
        self._over = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Tell whether a child that starts now is to answer."""
        return not self._over.is_set()

    async def all_serve(self, children: int, limit_s: float) -> None:
        """Wait until so many children serve, for a time at most: one that keeps crashing holds up nobody else."""
        self._left, loop = children, asyncio.get_running_loop()
        loop.add_reader(self._read_fd, self._read)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), limit_s)
        loop.remove_reader(self._read_fd)
        self.close()
        os.close(self.write_fd)
        os.close(self._read_fd)

    def close(self) -> None:
        """Wait for nobody any more."""
        self._over.set()

    def _read(self) -> None:
        self._left -= len(os.read(self._read_fd, self._left))
        if self._left <= 0:
            self.close()


def answer_roll(environ: MutableMapping[str, str]) -> None:
    """Tell the parent that this program serves, if it asks."""
    text = environ.pop(ROLL_FD, None)
    if text is None:
        return
    with suppress(BrokenPipeError):  # it did not wait for a slow one
        os.write(int(text), b".")
    os.close(int(text))
