"""Sources in their turns: what hinders one is told once, shown as long as it does, and over by itself."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automations.connectors.folder import Folder, json_lines
from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway
from automations.queue.database import open_queue
from automations.queue.store import Store
from automations.queue.turns import Turns
from automations.worker.polling import Polling, hindered, place_of
from tests.contract.automations.greeting import Note, Target, greeting
from tests.contract.control.clock import Clock
from tests.peers import Offered


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    queue = open_queue(f"sqlite:///{tmp_path}/queue.db")
    yield Store(queue, clock)
    queue.close()


def test_a_missing_folder_is_told_once_and_read_when_it_appears(
    tmp_path: Path, store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source, automation, found = Folder(tmp_path / "in", ".jsonl", json_lines(Note)), greeting(Target()), Offered()
    automation.sources = [source]
    engine = Engine(store, MemoryGateway(), {"greeting": automation})
    polling = Polling(source, place_of(automation, source), Turns(store, "w1", 9.0), found)

    def polled() -> float:
        clock.now_us += 5_000_000
        return polling.once()

    waits = [polled() for _ in range(3)]
    why = f"there is no folder {tmp_path}/in; files are taken from it once it is there"
    assert hindered(engine, "default") == [{"automation": "greeting", "source": "folder", "why": why}]
    assert hindered(engine, "other") == []
    assert waits == [0.5, 1.0, 2.0]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text('{"id": "n1", "text": "hello"}\n')
    os.utime(tmp_path / "in" / "a.jsonl", (1, 1))
    polled()
    assert (list(found), hindered(engine, "default")) == ([Note("n1", "hello")], [])
    assert [line.message for line in caplog.records] == [f"greeting/folder: {why}", "greeting/folder: works again"]


@pytest.mark.parametrize("broken", [lambda path: path.write_text("a file"), lambda path: path.symlink_to("nowhere")])
def test_what_is_no_folder_is_told(tmp_path: Path, store: Store, broken: Callable[[Path], None]) -> None:
    broken(tmp_path / "in")
    source, automation = Folder(tmp_path / "in", ".jsonl", json_lines(Note)), greeting(Target())
    automation.sources = [source]
    Polling(source, place_of(automation, source), Turns(store, "w1", 9.0), Offered()).once()
    assert [each["source"] for each in hindered(Engine(store, MemoryGateway(), {"g": automation}), "default")]
