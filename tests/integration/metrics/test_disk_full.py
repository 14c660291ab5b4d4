"""A disk that is really full: a small tmpfs, mounted where the machine allows it."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics.record.commits import JournalUnavailableError, Limits
from metrics.record.journal import FileJournal, Options
from metrics.record.recorder import Recorder
from tests.integration.metrics.support import QUICK, caught_up, end, recording, rows, wait_until, write, write_calls


@pytest.fixture
def small_disk() -> Iterator[Path]:
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small tmpfs needs root")
    folder = Path(tempfile.mkdtemp(prefix="sluice-small-disk-"))
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        folder.rmdir()
        pytest.skip("this machine does not allow mounting a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_refuses_and_recovers_without_a_restart(small_disk: Path, tmp_path: Path) -> None:
    acked: list[str] = []
    ballast = small_disk / "ballast"

    async def fill(journal: FileJournal) -> None:
        for n in range(5000):
            await journal.commit(end(f"c{n}", detail="x" * 500))
            acked.append(f"c{n}")

    async def use(journal: FileJournal) -> None:
        await journal.commit(end("first"))
        ballast.write_bytes(bytes(3_700_000))
        with pytest.raises(JournalUnavailableError, match="ENOSPC"):
            await fill(journal)
        ballast.unlink()
        await asyncio.sleep(0.05)
        await journal.commit(end("last"))

    write(small_disk, use, Options(limits=Limits(retry_s=0.02, content_floor_bytes=0)))
    copy = tmp_path / "copy"
    shutil.copytree(small_disk, copy)
    with recording(copy) as recorder:
        recorded = {call for (call,) in rows(recorder, "SELECT call_id FROM calls WHERE outcome = 'ok'")}
        assert {"first", "last", *acked} <= recorded
    assert acked


def test_a_recorder_on_a_full_disk_says_so_and_catches_up_once_there_is_room(small_disk: Path) -> None:
    write_calls(small_disk, *(f"c{n}" for n in range(50)))
    recorder = Recorder(small_disk, {}, pace=QUICK)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    recorder.start()
    try:
        wait_until(lambda: recorder.status()["phase"] == "degraded")
        assert recorder.status()["problem"]
        ballast.unlink()
        wait_until(lambda: caught_up(recorder), lambda: str(recorder.status()))
        assert rows(recorder, "SELECT count(*), count(DISTINCT call_id) FROM calls") == [(50, 50)]
        assert recorder.status()["order_damage"] == []
    finally:
        recorder.close()
