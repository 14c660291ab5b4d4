"""What people do with runs, on SQLite and PostgreSQL: nothing twice, nothing that the state does not allow."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from automations.flow.automation import Automation
from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway, Permit
from automations.flow.run import Run
from automations.queue.desk import Desk, NoRun, NotPossible, Who, Wish
from automations.queue.schema import runs
from automations.worker.reading import Reading
from tests.contract.automations.greeting import Note, Receipt, Target, greeting
from tests.contract.control.clock import Clock

Build = Callable[[Automation], Engine]
ANN, STRANGER = Who("usr_ann", "default"), Who("usr_eve", "other")


def begun(engine: Engine, text: str, name: str = "n1") -> str:
    run_id = engine.enqueue("greeting", [Note(name, text)])[0].run_id
    engine.drain()
    return run_id


def state(engine: Engine, run_id: str) -> str:
    with engine.store.database.read() as conn:
        return str(conn.execute(select(runs.c.state).where(runs.c.run_id == run_id)).scalar_one())


def test_a_dead_letter_is_read_mended_and_replayed(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    run_id, reading = begun(engine, "bad"), Reading(engine)
    content = reading.opened(ANN, run_id)
    assert (content["input"]["text"], content["detail"]) == ("bad", "Fatal: cannot be read")
    reading.replay(ANN, run_id, {"id": "n1", "text": "good"})
    engine.drain()
    assert (state(engine, run_id), [letter.text for letter in target.taken]) == ("done", ["good"])


def test_a_replayed_run_has_its_tries_again_but_is_no_other_case(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    run_id, reading = begun(engine, "bad"), Reading(engine)
    with pytest.raises(NotPossible, match="business key"):
        reading.replay(ANN, run_id, {"id": "another", "text": "good"})
    reading.replay(ANN, run_id, None)
    engine.drain()
    assert state(engine, run_id) == "dead"
    with pytest.raises(NotPossible):
        Desk(engine.store).replay(ANN, begun(engine, "fine", "n2"), 60)


def test_many_are_replayed_at_once(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    names = {begun(engine, "bad", f"n{n}") for n in range(3)}
    told = Reading(engine).replay_many(ANN, [], Wish("dead", "greeting", "fatal"))
    assert (set(told["replayed"]), told["refused"]) == (names, {})


def test_a_dead_letter_is_put_away(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    run_id = begun(engine, "bad")
    Reading(engine).discard(ANN, run_id, "the needle was sent by hand")
    assert state(engine, run_id) == "discarded"
    with pytest.raises(NotPossible):
        Reading(engine).discard(ANN, run_id, "again")


def test_a_waiting_run_is_cancelled_at_once_and_one_under_way_after_its_step(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    desk, (waiting,) = Desk(engine.store), engine.enqueue("greeting", [Note("n1", "a")])
    desk.cancel(ANN, waiting.run_id)
    assert (state(engine, waiting.run_id), engine.drain()) == ("cancelled", 0)
    (under_way,) = engine.enqueue("greeting", [Note("n2", "a")])
    (lease,) = engine.claim("w", 1, 60)
    desk.cancel(ANN, under_way.run_id)
    assert state(engine, under_way.run_id) == "running"
    engine.advance(lease)
    assert (state(engine, under_way.run_id), target.taken) == ("cancelled", [])


@pytest.mark.parametrize(("allow", "ends", "letters"), [(True, "done", 1), (False, "cancelled", 0)])
def test_a_held_effect_is_allowed_or_refused(
    engine_of: Build, target: Target, gateway: MemoryGateway, *, allow: bool, ends: str, letters: int
) -> None:
    engine = engine_of(greeting(target))
    gateway.permits["send_letter"] = Permit("hold", stopped=False, rule="rules[0]")
    run_id, desk = begun(engine, "a"), Desk(engine.store)
    desk.decide(ANN, run_id, allow=allow)
    with pytest.raises(NotPossible):
        desk.decide(ANN, run_id, allow=not allow)
    engine.drain()
    assert (state(engine, run_id), len(target.taken)) == (ends, letters)


@pytest.mark.parametrize(("happened", "letters"), [(True, 0), (False, 1)])
def test_an_unknown_effect_is_resolved_by_a_person(
    engine_of: Build, target: Target, *, happened: bool, letters: int
) -> None:
    engine = engine_of(greeting(target, takes_key=False))
    target.failures.append(ConnectionError("lost"))
    run_id, reading = begun(engine, "a"), Reading(engine)
    with pytest.raises(NotPossible, match="resolve"):
        reading.replay(ANN, run_id, None)
    reading.resolve(ANN, run_id, happened=happened)
    engine.drain()
    assert (state(engine, run_id), len(target.taken)) == ("done", letters)


def test_an_effect_in_the_middle_that_happened_gives_later_steps_what_a_person_says(
    engine_of: Build, target: Target
) -> None:
    made = greeting(target, takes_key=False)
    numbers = []

    @made.transform()
    def file(run: Run[Note], receipt: Receipt) -> str:
        numbers.append(receipt.number)
        return "filed"

    engine = engine_of(made)
    target.failures.append(ConnectionError("lost"))
    run_id, reading = begun(engine, "a"), Reading(engine)
    with pytest.raises(NotPossible, match="output"):
        reading.resolve(ANN, run_id, happened=True)
    with pytest.raises(ValidationError):
        reading.resolve(ANN, run_id, happened=True, output={"number": "many"})
    reading.resolve(ANN, run_id, happened=True, output={"number": 7})
    engine.drain()
    assert (state(engine, run_id), len(target.taken), numbers) == ("done", 0, [7])


def test_another_tenant_sees_and_does_nothing(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    run_id, desk = begun(engine, "bad"), Desk(engine.store)
    assert desk.listed("other", Wish()) == []
    for attempt in (
        lambda: desk.one("other", run_id),
        lambda: Reading(engine).opened(STRANGER, run_id),
        lambda: Reading(engine).replay(STRANGER, run_id, None),
        lambda: desk.cancel(STRANGER, run_id),
        lambda: desk.decide(STRANGER, run_id, allow=True),
    ):
        with pytest.raises(NoRun):
            attempt()
    assert state(engine, run_id) == "dead"


def test_the_queue_is_counted_and_old_runs_are_forgotten(engine_of: Build, target: Target, clock: Clock) -> None:
    engine = engine_of(greeting(target))
    begun(engine, "a", "n1")
    begun(engine, "bad", "n2")
    desk = Desk(engine.store)
    assert {(each["state"], each["runs"]) for each in desk.depth()} == {("done", 1), ("dead", 1)}
    assert {(each["state"], each["runs"]) for each in desk.throughput("default", 60)} == {("done", 1), ("dead", 1)}
    assert desk.forget() == 0
    clock.now_us = (1 << 62) + 1
    assert desk.forget() == 1  # a dead letter stays until somebody deals with it
