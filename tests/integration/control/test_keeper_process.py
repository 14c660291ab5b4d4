"""The keeper as a process of its own: it activates, relays, takes over after kill -9 and stops when asked."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.control import outbox, snapshots
from gateway.control.database import Database, open_database
from gateway.control.identity.bootstrap import bootstrap
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import local_operator
from gateway.control.migrations import upgrade
from metrics.record.events import Event, decode

POLICY = "policy: default\nschema: 1\nowner: {owner}@example.com\n"


class Site:
    """A data folder, a policy folder, and keepers working on them."""

    def __init__(self, folder: Path) -> None:
        self.data, self.policies = folder / "data", folder / "policies"
        self.policies.mkdir()
        self.data.mkdir()
        self.write("first")
        address = f"sqlite:///{self.data}/control.db"
        self.database: Database = open_database(address)
        self._environment = {
            "PATH": os.environ["PATH"],
            "SLUICE_DATA": str(self.data),
            "SLUICE_POLICIES": str(self.policies),
            "SLUICE_DATABASE_URL": address,
        }
        upgrade(self.database)
        bootstrap(self.database, None)
        self.keepers: list[subprocess.Popen[bytes]] = []

    def write(self, owner: str) -> None:
        (self.policies / "default.yaml").write_text(POLICY.format(owner=owner))

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "gateway.keeper"]
        root = Path(__file__).parents[3]
        keeper = subprocess.Popen(command, env=self._environment, cwd=root, stderr=subprocess.PIPE)
        self.keepers.append(keeper)
        return keeper

    def generation(self) -> int:
        with self.database.read() as conn:
            active = snapshots.active(conn)
        return active.generation if active else 0

    def journalled(self) -> list[Event]:
        """All events of the control database in the journal's own files."""
        found = []
        for file in sorted((self.data / "journal").rglob("*")):
            if file.is_file():
                found += [line for line in file.read_bytes().splitlines(keepends=True) if b'"event_id":"evt_' in line]
        return [decode(line) for line in found]


def minds_a_stop(keeper: "subprocess.Popen[bytes]") -> bool:
    """Say whether a keeper is so far that it catches SIGTERM; one that is still importing is simply ended by it."""
    status = Path(f"/proc/{keeper.pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for keeper in made.keepers:
        keeper.kill()
        keeper.communicate()
    made.database.close()


def test_it_activates_relays_and_stops_in_order(site: Site) -> None:
    keeper = site.start()
    until(lambda: site.generation() == 1)
    site.write("second")
    until(lambda: site.generation() == 2)
    create_key(site.database, "default", KeySpec(), local_operator("default"))
    keeper.send_signal(signal.SIGTERM)
    _, said = keeper.communicate(timeout=30)
    assert keeper.returncode == 0, said.decode()
    assert len(outbox.unrelayed(site.database)) == 0
    events = site.journalled()
    assert len(events) == len({event.event_id for event in events})
    kinds = Counter(event.kind for event in events)
    assert (kinds["roles.changed"], kinds["policy.activated"], kinds["key.created"]) == (1, 2, 1), kinds
    assert b"example.com" not in said


def test_after_kill_9_the_next_keeper_goes_on_and_no_event_is_lost(site: Site) -> None:
    for generation in (1, 2, 3):
        keeper = site.start()
        until(lambda wanted=generation: site.generation() >= wanted)  # type: ignore[misc]
        create_key(site.database, "default", KeySpec(), local_operator("default"))
        keeper.kill()
        keeper.wait(30)
        site.write(f"owner{generation}")
    last = site.start()
    until(lambda: site.generation() == 4 and len(outbox.unrelayed(site.database)) == 0)
    last.send_signal(signal.SIGTERM)
    last.communicate(timeout=30)
    kinds = Counter(kind for _, kind in {(event.event_id, event.kind) for event in site.journalled()})
    assert (kinds["roles.changed"], kinds["policy.activated"], kinds["key.created"]) == (1, 4, 3), kinds


def test_of_two_keepers_one_works_and_the_other_waits(site: Site) -> None:
    first, second = site.start(), site.start()
    until(lambda: site.generation() == 1 and minds_a_stop(first) and minds_a_stop(second))
    for keeper in (first, second):
        site.write(f"after{keeper.pid}")
        before = site.generation()
        until(lambda wanted=before + 1: site.generation() == wanted)  # type: ignore[misc]
        keeper.send_signal(signal.SIGTERM)
        keeper.communicate(timeout=30)
    assert site.generation() == 3
    assert [keeper.returncode for keeper in (first, second)] == [0, 0]
