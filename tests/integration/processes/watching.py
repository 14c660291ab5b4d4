"""Waiting for processes in tests: bounded, by what can be seen from outside."""

import http.client
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.machine.ports import listen

TINY = str(Path(__file__).with_name("tiny.py"))
PATIENCE_S = 60.0


def tiny(name: str, how: str) -> tuple[str, ...]:
    return (sys.executable, TINY, name, how)


def until(seen: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not seen():
        assert time.monotonic() < deadline, f"never seen: {what}"
        time.sleep(0.02)


def trace(file: Path) -> list[tuple[str, str, int]]:
    """Return (name, what, pid) in order."""
    if not file.exists():
        return []
    lines = [line.split() for line in file.read_text("utf-8").splitlines()]
    return [(name, what, int(pid)) for name, what, pid in lines]


def pids(file: Path, name: str) -> list[int]:
    return [pid for who, what, pid in trace(file) if who == name and what == "start"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # an orphan whose new parent does not reap it is dead all the same
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return True


def free(port: int) -> bool:
    """Tell whether nobody listens on a port (threads of an ended process may hold it for a moment)."""
    try:
        listen("127.0.0.1", port).close()
    except OSError:
        return False
    return True


def get(port: int) -> str:
    """Return what is answered; nothing when the connection is cut."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
