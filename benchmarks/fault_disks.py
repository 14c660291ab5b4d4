"""Disks that fail under a running product: full, or refusing to sync."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import Stand, ended_calls, standing

Say = Callable[[str, object], None]
GOOD = chat()
PAUSE_S = 0.05
# Fails every sync while the file named by SLUICE_FAULT_FLAG exists, as a disk with a broken cache does.
NO_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd) {
    static int (*real)(int);
    const char *flag = getenv("SLUICE_FAULT_FLAG");
    if (flag && access(flag, F_OK) == 0) { errno = EIO; return -1; }
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
"""


@dataclass
class Load:
    """Calls one after the other, and what became of them."""

    stand: Stand
    replies: list[Reply] = field(default_factory=list)

    async def one(self) -> Reply:
        reply = await ask(self.stand.port, GOOD)
        self.replies.append(reply)
        return reply

    async def run(self, seconds: float) -> list[Reply]:
        """Call for a while and return those replies."""
        before, until = len(self.replies), time.monotonic() + seconds
        while time.monotonic() < until:
            await self.one()
            await asyncio.sleep(PAUSE_S)
        return self.replies[before:]

    async def until_durable(self, limit_s: float = 30.0) -> float:
        """Call until an answer is recorded durably; return how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            reply = await self.one()
            if reply.status == 200 and not deferred(reply):
                return time.monotonic() - began
            await asyncio.sleep(PAUSE_S)
        return float("inf")

    def acknowledged(self) -> list[str]:
        return [r.call_id for r in self.replies if r.status == 200 and r.call_id and not deferred(r)]


def deferred(reply: Reply) -> bool:
    return reply.headers.get("x-sluice-record") == "deferred"


def audited(stand: Stand, load: Load) -> tuple[int, int, int]:
    """Stop the product; return how many were acknowledged, how many of them and of the deferred are not recorded."""
    stand.server.process.terminate()
    stand.server.process.wait(60)
    known = ended_calls(stand.ledger)
    acknowledged = load.acknowledged()
    late = [r.call_id for r in load.replies if r.status == 200 and r.call_id and deferred(r)]
    return len(acknowledged), sum(call not in known for call in acknowledged), sum(call not in known for call in late)


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """Mount a small disk in memory, where that is allowed."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    allowed = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield folder if allowed else None
    finally:
        if allowed:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for block in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(block))


async def faulty_disk(
    stand: Stand, begin: Callable[[], None], end: Callable[[], None]
) -> tuple[Load, str, list[Reply]]:
    load = Load(stand)
    await load.run(1)
    begin()
    during = await load.run(4)
    end()
    seconds = await load.until_durable()
    await load.run(1)
    await asyncio.sleep(3)
    return load, f"{seconds:.1f} s", during


def judged(policy: str, name: str, stand: Stand, outcome: tuple[Load, str, list[Reply]], say: Say) -> list[str]:
    """Judge what happened during a fault of the disk, and count what the ledger holds after it."""
    load, recovery, during = outcome
    acknowledged, lost, late_lost = audited(stand, load)
    refused = [r for r in during if r.status == 503 and b"record_failed" in r.body]
    served = [r for r in during if r.status == 200 and deferred(r)]
    slow = max((r.seconds for r in during), default=0.0)
    bad = []
    if len(refused if policy == "block" else served) < len(during) * 0.8 or not during:
        bad.append(f"{name}, {policy}: {len(refused)} refused and {len(served)} deferred of {len(during)}")
    if len(refused) + len(served) + sum(r.status == 200 and not deferred(r) for r in during) != len(during):
        bad.append(f"{name}, {policy}: other answers than those the policy names")
    if lost or late_lost or recovery == "inf s":
        bad.append(f"{name}, {policy}: lost {lost} acknowledged and {late_lost} deferred; recovery {recovery}")
    say(
        f"{name}, policy {policy}: during",
        f"{len(during)}: {len(refused)} refused, {len(served)} deferred, slowest {slow:.2f} s",
    )
    say(
        f"{name}, policy {policy}: after",
        f"well after {recovery}; acknowledged {acknowledged}, lost {lost}; deferred lost {late_lost}",
    )
    return bad


def full_disk(policy: str, say: Say) -> list[str]:
    with small_disk(48) as disk:
        if disk is None:
            say("full disk", "skipped: mounting a small disk needs root")
            return []
        with standing(policy, at=disk) as stand:
            filler = disk / "filler"
            outcome = asyncio.run(faulty_disk(stand, lambda: fill(filler), filler.unlink))
            return judged(policy, "full disk", stand, outcome, say)


def failed_syncs(policy: str, say: Say) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="sluice-sync-") as name:
        source, library, flag = (Path(name) / part for part in ("nosync.c", "nosync.so", "flag"))
        source.write_text(NO_SYNC)
        compiler = shutil.which("cc")
        if compiler is None:
            say("failed syncs", "skipped: needs a C compiler")
            return []
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        with standing(policy, LD_PRELOAD=str(library), SLUICE_FAULT_FLAG=str(flag)) as stand:
            outcome = asyncio.run(faulty_disk(stand, flag.touch, flag.unlink))
            return judged(policy, "failed fdatasync", stand, outcome, say)
