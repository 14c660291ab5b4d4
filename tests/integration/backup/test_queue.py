"""The queue of automations in a backup: nothing is lost, and nothing acts a second time by itself."""

from pathlib import Path

from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway
from automations.queue.database import open_queue
from automations.queue.desk import Desk
from automations.queue.store import Store
from gateway.backup.restoring import restore
from tests.contract.automations.greeting import Note, Target, greeting
from tests.integration.backup.test_round_trip import LOST, Place, elsewhere, place

__all__ = ["place"]


def test_open_runs_come_back_as_dead_letters_and_a_queue_that_is_there_stays(place: Place, tmp_path: Path) -> None:
    place.record("c1")
    queue = open_queue(f"sqlite:///{place.settings.data}/queue.db")
    engine = Engine(Store(queue, lambda: 1_000_000), MemoryGateway(), {"greeting": greeting(letters := Target())})
    engine.enqueue("greeting", [Note("n1", "done before")])
    engine.drain()
    engine.enqueue("greeting", [Note("n2", "open")])
    queue.close()
    place.back_up()
    restore(place.settings, place.master, place.backups, LOST)
    assert queued(place) == {"done": 1, "queued": 1}
    new = elsewhere(place, tmp_path / "new")
    restore(new.settings, new.master, place.backups, LOST)
    assert queued(new) == {"done": 1, "dead": 1}
    assert [letter.text for letter in letters.taken] == ["done before"]


def queued(place: Place) -> dict[str, int]:
    queue = open_queue(f"sqlite:///{place.settings.data}/queue.db")
    counted = {row["state"]: row["runs"] for row in Desk(Store(queue, lambda: 2_000_000)).depth()}
    queue.close()
    return counted
