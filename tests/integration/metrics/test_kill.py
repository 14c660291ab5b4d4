"""kill -9 of writers and of the recorder: every acknowledged event is in the ledger exactly once, every call ends.

The large version of this runs as a campaign (`make campaign-kill`).
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.metrics.support import recording, rows, settled


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> list[str]:
    """Kill at once; return the whole lines that the process had said."""
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    return said[: said.rfind("\n") + 1].split("\n")[:-1]


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    said: list[str] = []
    recorder = start("metrics.main", "--data", str(tmp_path), "--port", "0")
    for cycle in range(4):
        writers = [start("tests.integration.metrics.writer_process", str(tmp_path), f"w{cycle}{n}") for n in range(2)]
        for writer in writers:
            assert writer.stdout
            os.read(writer.stdout.fileno(), 1)  # it works
        time.sleep(0.1 + 0.05 * cycle)
        if cycle % 2:
            kill(recorder)
            recorder = start("metrics.main", "--data", str(tmp_path), "--port", "0")
        for writer in writers:
            said += kill(writer)
    kill(recorder)

    acked = {line.removeprefix("acked ") for line in said if line.startswith("acked ")}
    assert len(acked) > 50
    with recording(tmp_path, settled) as last:
        events = rows(last, "SELECT event_id FROM events WHERE kind IN ('call.begin', 'call.end')")
        assert len(events) == len(set(events))
        calls = dict(rows(last, "SELECT call_id, outcome FROM calls"))
        assert {call for call in acked if calls.get(call) != "ok"} == set()
        begun = {event_id.removesuffix(".b") for (event_id,) in events if event_id.endswith(".b")}
        assert begun == set(calls)
        assert set(calls.values()) <= {"ok", "interrupted"}
        assert rows(last, "SELECT count(*), count(DISTINCT call_id) FROM calls") == [(len(calls), len(calls))]
        some = sorted(acked)[:: max(1, len(acked) // 20)]
        assert all(last.contents.read("acme", f"{call}.e").opened.fields == {"request": "words"} for call in some)
        assert last.status()["behind_bytes"] == 0
