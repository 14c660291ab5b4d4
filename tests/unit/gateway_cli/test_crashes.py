"""A program that ends again and again is told with its exit code and what it said last, and nothing private."""

import json
from pathlib import Path

from gateway.machine.crashes import Crashes

ENDED = "worker-1 ended unexpectedly (exit code 1); starting it again in 0.5 s"


def entry(program: str, message: str, logger: str = "sluice.gateway") -> str:
    return json.dumps({"program": program, "logger": logger, "message": message}) + "\n"


def test_the_last_words_of_the_program_that_ended_are_quoted(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_text(entry("worker-1", "from an earlier run") + entry("gateway", ENDED, "gateway.machine.parent"))
    crashes = Crashes(log)
    assert crashes.news() == {}
    with log.open("a") as file:
        file.write(entry("worker-1", "cannot reach postgresql://u:hunter2@db/x") + entry("worker-2", "fine"))
        file.write(entry("gateway", ENDED, "gateway.machine.parent") + '{"torn')
    assert crashes.news() == {"worker-1": f'{ENDED}; it said last: "cannot reach postgresql://***@db/x"'}
    assert crashes.news() == {}


def test_of_a_traceback_only_the_kind_of_error_is_told(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path / "gateway.log")
    (tmp_path / "gateway.log").write_text(
        "Traceback (most recent call last):\n  File x\nsqlite3.DatabaseError: ann@example.com\n"
        + entry("gateway", ENDED, "gateway.machine.parent")
    )
    assert crashes.news() == {"worker-1": f'{ENDED}; it said last: "sqlite3.DatabaseError"'}


def test_a_log_that_was_put_aside_begins_again(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_text("x" * 500 + "\n")
    crashes = Crashes(log)
    log.write_text(entry("gateway", ENDED, "gateway.machine.parent"))
    assert crashes.news() == {"worker-1": ENDED}
