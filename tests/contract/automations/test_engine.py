"""What whoever writes an automation relies on, on SQLite and PostgreSQL."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from automations.connectors.base import Unavailable
from automations.flow.automation import Automation, Limits
from automations.flow.engine import BadInput, Engine
from automations.flow.failures import GatewayAway
from automations.flow.gateway import MemoryGateway, Permit
from automations.flow.signals import RetryLater
from automations.queue.clock import QueueClock
from automations.queue.desk import Who
from automations.queue.schema import actions, outbox, runs
from automations.queue.store import LeaseLost, QueueFull
from automations.queue.turns import Turns
from automations.worker.pool import taken
from automations.worker.reading import Reading
from tests.contract.automations.greeting import Note, Receipt, Target, greeting
from tests.contract.control.clock import Clock

Build = Callable[[Automation], Engine]


def row(engine: Engine, run_id: str) -> Any:
    with engine.store.database.read() as conn:
        return conn.execute(select(runs).where(runs.c.run_id == run_id)).one()


def action_states(engine: Engine) -> list[str]:
    with engine.store.database.read() as conn:
        return list(conn.execute(select(actions.c.state)).scalars())


def told(engine: Engine) -> list[tuple[str, str | None]]:
    with engine.store.database.read() as conn:
        return [(each.kind, each.step) for each in conn.execute(select(outbox).order_by(outbox.c.seq))]


def begin(engine: Engine, *notes: Note) -> list[str]:
    return [each.run_id for each in engine.enqueue("greeting", notes)]


def test_a_run_goes_through_its_steps_and_tells_its_story(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", " hello "))
    assert engine.drain() == 1
    assert row(engine, run_id).state == "done"
    assert [letter.text for letter in target.taken] == ["hello"]
    assert told(engine) == [
        ("run.queued", None),
        ("step.end", "read"),
        ("choice", "choose"),
        ("step.end", "choose"),
        ("action.done", "send"),
        ("step.end", "send"),
        ("run.end", None),
    ]


def test_the_same_business_key_starts_one_run(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    first, again = engine.enqueue("greeting", [Note("n1", "a"), Note("n1", "b")])
    (later,) = engine.enqueue("greeting", [Note("n1", "c")])
    assert (first.run_id, again.run_id) == (later.run_id, later.run_id)
    assert [first.new or again.new, later.new] == [True, False]
    assert engine.drain() == 1


def test_nothing_that_people_wrote_stands_open_in_the_database(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    begin(engine, Note("n1", "needle-in-text", "needle-person"), Note("n2", "poison"))
    engine.drain()
    with engine.store.database.read() as conn:
        everything = [repr(each) for table in (runs, actions, outbox) for each in conn.execute(select(table))]
    assert not [line for line in everything if "needle" in line or "poisoned" in line]


def test_a_failing_step_is_tried_again_later_and_then_is_a_dead_letter(
    engine_of: Build, target: Target, clock: Clock
) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "poison"))
    assert engine.drain() == 1
    assert engine.drain() == 0  # it waits
    for _ in range(2):
        clock.advance(60)
        engine.drain()
    found = row(engine, run_id)
    assert (found.state, found.cause, found.layer, found.step_name, found.attempts) == (
        "dead",
        "error",
        "orchestration",
        "choose",
        3,
    )
    assert told(engine)[-1] == ("dead_letter", "choose")


@pytest.mark.parametrize("text", ["half an error", "half an answer"])
def test_what_cannot_be_stored_fails_its_step_and_not_its_worker(
    text: str, engine_of: Build, target: Target, clock: Clock
) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", text))
    for _ in range(3):
        engine.drain()
        clock.advance(60)
    found = row(engine, run_id)
    assert (found.state, found.cause, found.attempts, found.losses) == ("dead", "error", 3, 0)


def test_a_fatal_step_is_not_tried_again(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "bad"))
    engine.drain()
    assert row(engine, run_id).cause == "fatal"


def test_a_step_may_end_the_run_early(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "nothing"))
    engine.drain()
    assert (row(engine, run_id).state, row(engine, run_id).cause) == ("done", "not_needed")
    assert not target.taken


def test_back_pressure_refuses_and_keeps_nothing_of_the_refused(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target, limits=Limits(max_queued=2)))
    begin(engine, Note("n1", "a"))
    with pytest.raises(QueueFull):
        begin(engine, Note("n2", "a"), Note("n3", "a"))
    assert engine.drain() == 1


def test_concurrency_and_pace_bound_what_is_claimed(engine_of: Build, target: Target, clock: Clock) -> None:
    engine = engine_of(greeting(target, limits=Limits(concurrency=2, per_minute=3)))
    begin(engine, *(Note(f"n{n}", "a") for n in range(9)))
    first = engine.claim("a", 9, 60.0)
    assert len(first) == 2
    assert not engine.claim("b", 9, 60.0)
    for lease in first:
        engine.advance(lease)
    assert len(engine.claim("b", 9, 60.0)) == 1  # the third of this minute
    clock.advance(61)
    assert len(engine.claim("b", 9, 60.0)) == 2


def test_a_dead_workers_run_goes_to_another_and_the_first_one_cannot_write(
    engine_of: Build, target: Target, clock: Clock
) -> None:
    engine = engine_of(greeting(target))
    begin(engine, Note("n1", "a"))
    (slow,) = engine.claim("slow", 1, 10.0)
    clock.advance(11)
    (taken,) = engine.claim("other", 1, 10.0)
    assert taken.losses == 1
    engine.advance(taken)
    with pytest.raises(LeaseLost):
        engine.advance(slow)
    assert len(target.taken) == 1


def test_a_message_that_kills_its_workers_is_a_dead_letter(engine_of: Build, target: Target, clock: Clock) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "a"))
    for _ in range(8):
        engine.claim("doomed", 1, 10.0)
        clock.advance(11)
    engine.drain()
    assert (row(engine, run_id).state, row(engine, run_id).cause) == ("dead", "worker_lost")


def test_runs_whose_workers_keep_ending_are_taken_up_one_at_a_time(
    engine_of: Build, target: Target, clock: Clock
) -> None:
    engine = engine_of(greeting(target))
    begin(engine, *(Note(f"n{n}", "a") for n in range(3)))
    for _ in range(2):
        assert len(engine.claim("doomed", 3, 10.0)) == 3
        clock.advance(11)
    assert len(engine.claim("doomed", 3, 10.0)) == 3
    clock.advance(11)
    assert len(engine.claim("careful", 3, 60.0)) == 1
    assert len(engine.claim("careful", 3, 60.0)) == 0
    assert len(engine.claim("another", 3, 60.0)) == 1


def test_a_gateway_that_is_away_costs_no_tries(
    engine_of: Build, target: Target, clock: Clock, gateway: MemoryGateway
) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "a"))
    gateway.away = True
    for _ in range(8):
        engine.drain()
        clock.advance(400)
    assert row(engine, run_id).state == "queued"
    gateway.away = False
    engine.drain()
    assert row(engine, run_id).state == "done"


def test_an_erased_run_ends_and_keeps_nothing(engine_of: Build, target: Target, gateway: MemoryGateway) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "a", "sam"))
    gateway.erased.add("sam")
    engine.drain()
    found = row(engine, run_id)
    assert (found.state, found.input_sealed, found.progress_sealed) == ("erased", None, None)
    assert not target.taken


def test_the_deadline_ends_a_run(engine_of: Build, target: Target, clock: Clock) -> None:
    engine = engine_of(greeting(target, limits=Limits(deadline_s=100)))
    (run_id,) = begin(engine, Note("n1", "a"))
    clock.advance(101)
    engine.drain()
    assert row(engine, run_id).cause == "deadline"


class TestEffects:
    def test_a_target_with_keys_is_told_again_after_a_failure(
        self, engine_of: Build, target: Target, clock: Clock
    ) -> None:
        engine = engine_of(greeting(target))
        target.failures.append(ConnectionError("lost"))
        begin(engine, Note("n1", "a"))
        engine.drain()
        clock.advance(60)
        engine.drain()
        assert len(target.taken) == 1
        assert action_states(engine) == ["done"]

    def test_without_keys_a_failure_in_the_middle_is_for_a_person(self, engine_of: Build, target: Target) -> None:
        engine = engine_of(greeting(target, takes_key=False))
        target.failures.append(ConnectionError("lost"))
        (run_id,) = begin(engine, Note("n1", "a"))
        engine.drain()
        assert row(engine, run_id).cause == "effect_unknown"
        assert action_states(engine) == ["unknown"]

    def test_without_keys_a_step_that_says_so_is_tried_again(
        self, engine_of: Build, target: Target, clock: Clock
    ) -> None:
        engine = engine_of(greeting(target, takes_key=False))
        target.failures.append(RetryLater("busy", 5.0))
        (run_id,) = begin(engine, Note("n1", "a"))
        engine.drain()
        clock.advance(60)
        engine.drain()
        assert row(engine, run_id).state == "done"

    def test_without_keys_a_crash_in_the_middle_is_for_a_person(
        self, engine_of: Build, target: Target, clock: Clock
    ) -> None:
        automation = greeting(target, takes_key=False)
        engine = engine_of(automation)
        target.failures.append(SystemExit())  # type: ignore[arg-type] # as if the process had ended here
        (run_id,) = begin(engine, Note("n1", "a"))
        with pytest.raises(SystemExit):
            engine.drain(lease_s=10.0)
        clock.advance(11)
        engine.drain()
        assert row(engine, run_id).cause == "effect_unknown"
        assert not target.taken

    def test_a_stop_holds_effects_until_it_is_lifted(
        self, engine_of: Build, target: Target, clock: Clock, gateway: MemoryGateway
    ) -> None:
        engine = engine_of(greeting(target))
        gateway.permits["send_letter"] = Permit("allow", stopped=True, rule="stop")
        (run_id,) = begin(engine, Note("n1", "a"))
        engine.drain()
        assert (row(engine, run_id).state, len(target.taken)) == ("queued", 0)
        gateway.permits.clear()
        clock.advance(20)
        engine.drain()
        assert len(target.taken) == 1

    def test_an_effect_that_policy_denies_is_a_dead_letter(
        self, engine_of: Build, target: Target, gateway: MemoryGateway
    ) -> None:
        engine = engine_of(greeting(target))
        gateway.permits["send_letter"] = Permit("deny", stopped=False, rule="rules[0]")
        (run_id,) = begin(engine, Note("n1", "a"))
        engine.drain()
        assert row(engine, run_id).cause == "denied_by_policy"

    def test_an_effect_that_policy_holds_waits(self, engine_of: Build, target: Target, gateway: MemoryGateway) -> None:
        engine = engine_of(greeting(target))
        gateway.permits["send_letter"] = Permit("hold", stopped=False, rule="rules[0]")
        (run_id,) = begin(engine, Note("n1", "a"))
        engine.drain()
        assert (row(engine, run_id).state, action_states(engine), target.taken) == ("held", ["held"], [])

    def test_a_dry_run_shows_what_it_would_do_and_does_nothing(self, engine_of: Build, target: Target) -> None:
        automation = greeting(target)
        automation.dry_run = True
        engine = engine_of(automation)
        (run_id,) = begin(engine, Note("n1", "a"))
        engine.drain()
        assert (row(engine, run_id).cause, target.taken) == ("dry_run", [])
        assert ("action.dry_run", "send") in told(engine)


@pytest.mark.parametrize(
    ("note", "why"),
    [(Note("", "a"), "business key"), (Note("n1", "a", "x" * 513), "512"), (Note("n1", "a", " "), None)],
)
def test_what_cannot_become_a_run_is_refused_when_it_comes(
    engine_of: Build, target: Target, note: Note, why: str | None
) -> None:
    engine = engine_of(greeting(target))
    if why is None:
        begin(engine, note)
        assert engine.drain() == 1
        return
    with pytest.raises(BadInput, match=why) as refused:
        begin(engine, note)
    assert "x" * 20 not in str(refused.value)


def test_a_source_goes_on_behind_an_input_that_cannot_be_taken(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    whys = taken(engine, "greeting", [Note("n1", "a"), Note("", "b"), {"id": 7}, Note("n2", "c")])
    assert [why is None for why in whys] == [True, False, False, True]
    assert engine.drain() == 2


def test_a_run_whose_texts_fit_no_more_is_a_dead_letter(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    (run_id,) = begin(engine, Note("n1", "a"))
    other = Automation("greeting", Receipt, key=lambda given: str(given.number))
    other.steps = engine.automations["greeting"].steps
    engine.automations = {"greeting": other}
    assert engine.drain() == 1
    found = row(engine, run_id)
    assert (found.state, found.cause, found.layer) == ("dead", "unreadable", "orchestration")


class Doorless(MemoryGateway):
    """Opens keys, and does not answer when it is asked whether something may happen."""

    def permit(self, *_: Any) -> Permit:
        raise GatewayAway("no answer")


def test_an_effect_that_was_never_begun_is_not_unknown(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target, takes_key=False))
    engine.gateway = Doorless()
    (run_id,) = begin(engine, Note("n1", "a"))
    engine.drain()
    assert row(engine, run_id).state == "queued"
    assert action_states(engine) == []


def test_workers_of_several_machines_share_one_time(engine_of: Build, target: Target) -> None:
    database = engine_of(greeting(target)).store.database
    first, second = QueueClock(database), QueueClock(database)
    assert abs(first() - second()) < 1_000_000
    assert first() <= first()


def test_a_killed_workers_sources_are_polled_by_another_after_its_lease(
    engine_of: Build, target: Target, clock: Clock
) -> None:
    store = engine_of(greeting(target)).store
    first, second = (Turns(store, owner, 15.0) for owner in ("w1", "w2"))
    assert first.mine("mail", 2.0)
    clock.advance(10)
    assert not second.mine("mail", 2.0)
    first.keep()
    clock.advance(10)
    assert not second.mine("mail", 2.0)
    clock.advance(6)
    assert second.mine("mail", 2.0)
    assert not first.mine("mail", 2.0)


@pytest.mark.parametrize(("sure", "action"), [(True, "not_done"), (False, "begun")])
def test_what_a_target_may_have_done_is_not_told_as_undone(
    engine_of: Build, target: Target, clock: Clock, sure: bool, action: str
) -> None:
    engine, seen = engine_of(greeting(target)), []
    target.failures = [Unavailable("503", 1.0), Unavailable("503", 1.0), Unavailable("500", 1.0, sure=sure)]
    (run_id,) = begin(engine, Note("n1", "a"))
    for _ in range(3):
        engine.drain()
        clock.advance(5)
        found = Reading(engine).shown("default", run_id)
        seen.append((found["state"], found["cause"], found["actions"][0]["state"]))
    assert seen == [(state, "asked_to_wait", action) for state in ("queued", "queued", "dead")]
    Reading(engine).replay(Who("usr_1", "default"), run_id, None)
    engine.drain()
    found = Reading(engine).shown("default", run_id)
    assert (found["state"], found["cause"], found["actions"][0]["state"]) == ("done", None, "done")
    assert len(target.keys) == 1
