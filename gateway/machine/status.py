"""What every worker of this machine says about itself, in one small file each, so that any of them can tell it all."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.machine.running import alive

FOLDER: Final = "status"
_EVERY_S: Final = 0.25
_HEARTBEAT_S: Final = 5.0
_STALE_S: Final = 15.0


class StatusFile:
    """One worker's file; rewritten when its facts change, and as a heartbeat."""

    def __init__(self, data: Path, name: str, facts: Callable[[], Mapping[str, Any]]) -> None:
        self._path = data / FOLDER / f"{name}.json"
        self._facts = facts
        self._said: Mapping[str, Any] = {}
        self._said_at = 0.0

    async def run(self) -> None:
        """Keep the file true until cancelled, then remove it."""
        try:
            while True:
                self.write()
                await asyncio.sleep(_EVERY_S)
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def write(self) -> None:
        """Write the facts if there is news or the last words are old."""
        facts, now = self._facts(), time.monotonic()
        if facts == self._said and now - self._said_at < _HEARTBEAT_S:
            return
        with contextlib.suppress(OSError):  # a full disk must not end the worker; the old words grow stale
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({"pid": os.getpid(), **facts}), "utf-8")
            new.replace(self._path)
            self._said, self._said_at = facts, now


def read_workers(data: Path, now_s: float) -> list[dict[str, Any]]:
    """Return what the live workers said last, by name; `now_s` in seconds since 1970."""
    found = []
    for path in sorted((data / FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, ValueError):  # it may be leaving at this moment
            said = {"worker": path.stem, **json.loads(path.read_text("utf-8"))}
            if now_s - path.stat().st_mtime < _STALE_S and alive(said["pid"]):
                found.append(said)
    return found
