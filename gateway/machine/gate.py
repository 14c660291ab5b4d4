"""A gate between programs: children import while their parent prepares, and begin when it opens."""

import os
from collections.abc import MutableMapping
from typing import Final

GATE_FD: Final = "SLUICE_GATE_FD"


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
