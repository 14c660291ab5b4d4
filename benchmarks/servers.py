"""Starts the servers under measurement and reads what they cost: CPU and memory of whole process trees."""

import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """Return a port nobody listens on, below the range from which the system takes ports of outgoing connections.

    A port of that range can be taken between this probe and the server's own bind.
    """
    while True:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_ready(port: int, path: str, *, seconds: float = 60, timeout_s: float = 2, **request: Any) -> None:
    """Wait until `GET path`, or another request, answers 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)) as connection:
                connection.request(**{"method": "GET", "url": path} | request)
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"nothing ready on port {port}{path} after {seconds} s")


_LOOK_S = 0.5
_LOOKS = 40
_RESTS = 0.1  # of a core


@dataclass(frozen=True)
class Server:
    """A started program and its port."""

    process: subprocess.Popen[bytes]
    port: int

    def tree(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_us(self) -> float:
        """User and system time of the whole tree so far, in microseconds; the dead children it waited for included."""
        total = 0.0
        for process in self.tree():
            times = process.cpu_times()
            total += times.user + times.system
        return total * 1e6

    def settle(self) -> None:
        """Wait until the whole tree is at rest: what starts behind the first answer is not the cost of a call."""
        before = self.cpu_us()
        for _ in range(_LOOKS):
            time.sleep(_LOOK_S)
            now = self.cpu_us()
            if now - before < _RESTS * _LOOK_S * 1e6:
                return
            before = now
        raise TimeoutError("the server does not come to rest")

    def memory_mb(self) -> dict[str, float]:
        """Resident memory of the largest process, and of the tree, in MiB."""
        sizes = [p.memory_info().rss / 2**20 for p in self.tree()]
        return {"largest": max(sizes), "tree": sum(sizes)}


@contextmanager
def started(
    argv: Sequence[str], port: int, *, env: Mapping[str, str] | None = None, core: int | None = None
) -> Iterator[Server]:
    """Run a program, pinned to one core where asked, and stop it at the end."""

    process = subprocess.Popen(
        pinned(argv, core),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pinned(argv: Sequence[str], core: int | None) -> list[str]:
    """Return the command that runs on one core, where this machine has more than one and `taskset`."""
    if core is None or (os.cpu_count() or 1) < 2 or not shutil.which("taskset"):
        return list(argv)
    return ["taskset", "-c", str(core), *argv]


def python(module: str, *args: str) -> list[str]:
    return [sys.executable, "-m", module, *args]
