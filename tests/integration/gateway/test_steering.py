"""Steering by the ledger: canaries grow and fall back, and candidates are weighed by what became of their answers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.control import learned, outbox
from gateway.control.database import Database
from gateway.control.leases import Lease, acquire
from gateway.keeper.activator import activate
from gateway.keeper.steer import Steerer
from gateway.lessons import Lessons
from metrics.health.replay import Ask
from metrics.health.replay_ledger import stopped_ledger
from metrics.record.events import Event
from metrics.record.journal import FileJournal
from policy.snapshot import Snapshot
from tests.contract.control.clock import Clock
from tests.contract.control.making import made_database
from tests.integration.gateway.test_policy_blocks import World, answer
from tests.integration.metrics.support import TS, end, recording, write
from tests.unit.gateway.making import snapshot

CANARY = """
routing:
  rules:
    - candidates: [{model: a}, {model: b}]
      split:
        name: canary
        arms: [{name: old, model: a, share: 0.9}, {name: new, model: b, share: 0.1}]
        promote: {arm: new, step: 0.4, every: 1h, min_calls: 50, requires: [BOUND]}
"""
ERROR = "{measure: error, at_most: 0.1}"
OVERRIDE = "{measure: override, at_most: 0.2}"
LEARNING = """
routing:
  objective: cost_per_success
  min_outcomes: 20
  constraints: {max_override: 0.5}
  candidates: [{model: gpt-test, quality: 0.9}, {model: second/gpt-test, quality: 0.9}]
"""


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now_us = TS
    return clock


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    with made_database(f"sqlite:///{tmp_path}/control.db", clock, "acme", "default") as opened:
        yield opened


def calls(count: int, model: str, run: str, **body: Any) -> Iterator[Event]:
    provider, _, name = model.rpartition("/")
    attempt = {"n": 1, "provider": provider or "test", "model": name, "status": 200}
    for number in range(count):
        call = f"call_{run}{number}"
        made = end(call, TS + 1000 + number, "acme", f"{run}{number}", policy="structured", attempts=[attempt], **body)
        yield Event(**{name: getattr(made, name) for name in made.__slots__} | {"automation": "drafting"})


def outcomes(count: int, run: str, metric: str, value: bool, source: str = "human") -> Iterator[Event]:
    for number in range(count):
        body = {"call_id": None, "metric": metric, "value": value, "source": source, "corrected": False}
        name = f"{run}{number}{metric}{value}"
        yield Event(name, "outcome", TS + 5000 + number, "acme", "drafting", run=f"{run}{number}", body=body)


@contextmanager
def ledger(data: Path, *events: Iterator[Event]) -> Iterator[Callable[[str], Ask]]:
    async def copy(journal: FileJournal) -> None:
        await asyncio.gather(*(journal.commit(event, None) for each in events for event in each))

    write(data, copy)
    with recording(data):
        pass
    with stopped_ledger(data, "acme") as acme, stopped_ledger(data, "default") as other:
        yield {"acme": acme, "default": other}.__getitem__


def held(database: Database) -> Lease:
    lease = acquire(database, "keeper", "test", 10**6)
    assert lease is not None
    return lease


def lessons(database: Database) -> Lessons:
    made = Lessons()
    with database.read() as conn:
        made.reload(conn, -1)
    return made


def moves(database: Database) -> list[dict[str, Any]]:
    return [dict(event.body) for _, event in outbox.unrelayed(database) if event.kind == "split.moved"]


def shares(database: Database, tree: Snapshot) -> list[float]:
    routing = tree.policies["structured"].routing
    return list(lessons(database).shares("acme", "structured", routing).values())


def steered(tmp_path: Path, database: Database, clock: Clock, bound: str, *events: Iterator[Event]) -> Snapshot:
    tree = snapshot(tmp_path / "policies", routing=CANARY.replace("BOUND", bound))
    activate(database, tree, "test")
    with ledger(tmp_path / "data", *events) as ask:
        steerer, lease = Steerer(database, ask), held(database)
        steerer.decide(lease)
        assert shares(database, tree) == [0.1]
        clock.advance(3600)
        steerer.decide(lease)
    return tree


ROUTE = {"route": {"rule": "rules[0]", "split": "canary", "arm": "new", "share": 0.1}}


def test_a_canary_that_does_well_grows_and_the_workers_follow(tmp_path: Path, database: Database, clock: Clock) -> None:
    tree = steered(tmp_path, database, clock, ERROR, calls(100, "b", "r", **ROUTE))
    assert shares(database, tree) == [0.5]
    (moved,) = moves(database)
    assert (moved["from"], moved["to"], moved["reason"], moved["calls"]) == (0.1, 0.5, "measures hold", 100)
    assert moved["measures"][0][0] == "error"
    assert moved["measures"][0][2] < 0.1
    world = World(tree, *(answer() for _ in range(60)))
    world.pipeline.lessons.__dict__.update(lessons(database).__dict__)
    for number in range(60):
        world.ask(x_sluice_run_id=f"run-{number}")
    routes = [call["route"] for call in world.ends]
    assert 20 < sum(route["arm"] == "new" for route in routes) < 40
    assert {(route["split"], route["share"]) for route in routes} == {("canary", 0.5)}


def test_a_canary_that_people_correct_falls_back(tmp_path: Path, database: Database, clock: Clock) -> None:
    corrected = outcomes(40, "r", "override", True)
    approved = (each for each in outcomes(60, "r", "success", True) if int(each.event_id[1:].split("s")[0]) >= 40)
    tree = steered(tmp_path, database, clock, OVERRIDE, calls(60, "b", "r", **ROUTE), corrected, approved)
    assert shares(database, tree) == [0.0]
    assert moves(database)[0]["reason"] == "broken: override"


def test_candidates_are_weighed_by_outcomes_once_there_are_enough(
    tmp_path: Path, database: Database, clock: Clock
) -> None:
    tree = snapshot(tmp_path / "policies", routing=LEARNING)
    activate(database, tree, "test")
    clock.advance(60)
    poor = (outcomes(15, "p", "success", False), outcomes(10, "q", "success", True))
    good = outcomes(19, "g", "success", True)
    made = (calls(15, "test/gpt-test", "p"), calls(10, "test/gpt-test", "q"), calls(19, "second/gpt-test", "g"))
    with ledger(tmp_path / "data", *made, *poor, good) as ask:
        Steerer(database, ask).decide(held(database))
    routing = tree.policies["structured"].routing
    world = World(tree, answer())
    holder = world.pipeline.directory.lookup(b"sk-key")
    assert holder is not None
    known = lessons(database).learned(tree, routing, "test", holder.facts, None)
    assert known == {"gpt-test": (0.4, 0.0)}  # the other has one outcome too few
    world.pipeline.lessons.__dict__.update(lessons(database).__dict__)
    world.ask()
    route = world.ends[0]["route"]
    assert route["measured"] == {"gpt-test": (0.4, 0.0)}
    assert route["candidates"] == ["gpt-test", "second/gpt-test"]  # the second has no price: its cost is not known


def test_without_such_policies_nothing_is_asked(tmp_path: Path, database: Database) -> None:
    activate(database, snapshot(tmp_path / "policies"), "test")
    Steerer(database, pytest.fail).decide(held(database))
    with database.read() as conn:
        assert learned.read(conn) == []
