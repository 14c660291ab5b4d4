"""Events on their way to the ledger, on SQLite and PostgreSQL: nothing lost, nothing in the open, no key twice."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from automations.flow.automation import Automation
from automations.flow.engine import Engine
from automations.flow.failures import GatewayAway
from automations.flow.gateway import Erased, Json, MemoryGateway
from automations.queue.outbox import Outbox
from automations.worker.relay import Relay
from tests.contract.automations.greeting import Note, Target, greeting
from tests.contract.control.clock import Clock

Build = Callable[[Automation], Engine]


@dataclass
class Keys:
    """Opens keys by the gateway; remembers which."""

    gateway: MemoryGateway
    opened: list[str] = field(default_factory=list)

    def recent_keys(self, automation: str, wrapped: Mapping[str, str]) -> dict[str, bytes]:
        found = {}
        for run_id, each in wrapped.items():
            with suppress(Erased):
                self.opened.append(run_id)
                found[run_id] = self.gateway.open_key(automation, run_id, each)
        return found


def relay(engine: Engine, gateway: MemoryGateway) -> Relay:
    return Relay(Outbox(engine.store), gateway, Keys(gateway))


def test_events_arrive_once_with_their_texts(engine_of: Build, target: Target, gateway: MemoryGateway) -> None:
    engine = engine_of(greeting(target))
    engine.enqueue("greeting", [Note("n1", "bad", "sam")])
    engine.drain()
    assert relay(engine, gateway).once() == 3
    assert relay(engine, gateway).once() == 0
    assert [event["kind"] for event in gateway.events] == ["run.queued", "step.end", "dead_letter"]
    assert gateway.events[0]["subject"] == "sam"
    told = gateway.events[-1]
    assert (told["body"]["cause"], told["body"]["detail"], told["subject"]) == ("fatal", "Fatal: cannot be read", "sam")
    assert told["ts"].endswith("+00:00")


def test_events_wait_while_the_gateway_is_away(
    engine_of: Build, target: Target, gateway: MemoryGateway, clock: Clock
) -> None:
    engine = engine_of(greeting(target))
    engine.enqueue("greeting", [Note("n1", "a")])
    engine.drain()
    gateway.away = True
    with pytest.raises(GatewayAway):
        relay(engine, gateway).once()
    waiting, _ = Outbox(engine.store).counts()
    assert waiting > 0
    gateway.away = False
    clock.advance(10)
    assert relay(engine, gateway).once() == waiting


def test_an_erased_persons_events_go_without_their_texts(
    engine_of: Build, target: Target, gateway: MemoryGateway
) -> None:
    engine = engine_of(greeting(target))
    engine.enqueue("greeting", [Note("n1", "bad", "sam")])
    engine.drain()
    gateway.erased.add("sam")
    relay(engine, gateway).once()
    assert "detail" not in gateway.events[-1]["body"]
    assert all("subject" not in event for event in gateway.events)


class Strict(MemoryGateway):
    """Refuses one kind of events for good."""

    def post(self, automation: str, events: Sequence[Json]) -> list[str | None]:
        refused = ["400 no" if event["kind"] == "choice" else None for event in events]
        MemoryGateway.post(self, automation, [e for e, why in zip(events, refused, strict=True) if why is None])
        return refused


def test_what_the_gateway_refuses_is_kept_with_its_reason(engine_of: Build, target: Target) -> None:
    strict = Strict()
    engine = engine_of(greeting(target))
    engine.gateway = strict
    engine.enqueue("greeting", [Note("n1", "a")])
    engine.drain()
    relay(engine, strict).once()
    assert Outbox(engine.store).counts() == (0, 1)
    assert "choice" not in {event["kind"] for event in strict.events}


class Prim(MemoryGateway):
    """Refuses events that carry somebody's words."""

    def post(self, automation: str, events: Sequence[Json]) -> list[str | None]:
        said = ["403 content_blocked: no" if "detail" in event["body"] else None for event in events]
        MemoryGateway.post(self, automation, [e for e, why in zip(events, said, strict=True) if why is None])
        return said


def test_of_an_event_that_is_refused_for_its_texts_the_rest_is_kept(engine_of: Build, target: Target) -> None:
    prim = Prim()
    engine = engine_of(greeting(target))
    engine.gateway = prim
    engine.enqueue("greeting", [Note("n1", "bad")])
    engine.drain()
    relay(engine, prim).once()
    assert Outbox(engine.store).counts() == (0, 0)
    letter = next(event for event in prim.events if event["kind"] == "dead_letter")
    assert letter["body"] == {"cause": "fatal", "layer": "orchestration", "attempts": 1, "withheld": "content_blocked"}


def test_two_workers_do_not_take_the_same_events(engine_of: Build, target: Target) -> None:
    engine = engine_of(greeting(target))
    engine.enqueue("greeting", [Note(f"n{n}", "a") for n in range(5)])
    first, second = Outbox(engine.store).take(3, 60), Outbox(engine.store).take(3, 60)
    assert not {each.seq for each in first} & {each.seq for each in second}
    assert len(first) + len(second) == 5
