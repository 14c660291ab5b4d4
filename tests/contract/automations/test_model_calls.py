"""Model calls of steps, by the real openai client against a real server that answers as it is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy import select

from automations.flow.automation import Automation, Tries
from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway
from automations.flow.run import Run
from automations.queue.schema import runs
from gateway.wire import labels
from tests.contract.automations.greeting import Note
from tests.contract.control.clock import Clock
from tests.e2e.wire import completion
from tests.upstream import Received, Step, reply, running_upstream

Build = Callable[[Automation], Engine]


@dataclass(frozen=True)
class Sorted:
    urgent: bool


@dataclass
class Server:
    """What the server answers, one after the other, and what it was asked."""

    answers: list[list[Step]]
    asked: list[Received]

    def answer(self, request: Received) -> list[Step]:
        self.asked.append(request)
        return self.answers.pop(0)


@pytest.fixture
def server(gateway: MemoryGateway) -> Iterator[Server]:
    made = Server([], [])
    with running_upstream() as upstream:
        upstream.default = made.answer
        gateway.openai = OpenAI(base_url=upstream.base_url, api_key="sk-test", max_retries=0)
        yield made


def sorting() -> Automation:
    made = Automation("sorting", Note, key=lambda note: note.id, subject=lambda note: note.person)

    @made.prompt("sort@2", tries=Tries(2, first_wait_s=1.0))
    def sort(run: Run[Note], note: Note) -> Sorted:
        return run.ask_for(Sorted, "gpt-test", [{"role": "user", "content": note.text}])

    return made


def said(text: str) -> list[Step]:
    body = completion()
    body["choices"][0]["message"]["content"] = text
    return reply(body)


def refused(status: int, code: str, **headers: str) -> list[Step]:
    return reply({"error": {"message": "no", "type": "policy_error", "param": None, "code": code}}, status, **headers)


def row(engine: Engine) -> Any:
    with engine.store.database.read() as conn:
        return conn.execute(select(runs)).one()


def begun(engine: Engine) -> Any:
    engine.enqueue("sorting", [Note("n1", "Help!", "sam")])
    engine.drain()
    return row(engine)


def test_a_call_is_labelled_and_its_answer_checked(engine_of: Build, server: Server) -> None:
    server.answers = [said('{"urgent": true}')]
    found = begun(engine_of(sorting()))
    assert found.state == "done"
    sent = server.asked[0].headers
    assert (sent["x-sluice-run-id"], sent["x-sluice-step"]) == (found.run_id, "sort")
    assert (sent["x-sluice-prompt"], sent["x-sluice-subject"]) == ("sort@2", "sam")
    assert sent["idempotency-key"].startswith(found.run_id)


@pytest.mark.parametrize("person", ["Jörg Müller", "a,b=c;d", "line\nbreak", " sam", "\u2003x\u202e"])
def test_whoever_a_run_is_about_reaches_the_gateway_as_they_are(engine_of: Build, server: Server, person: str) -> None:
    server.answers = [said('{"urgent": true}')]
    engine = engine_of(sorting())
    engine.enqueue("sorting", [Note("n1", "Help!", person)])
    engine.drain()
    assert row(engine).state == "done"
    headers = {name.lower().encode(): value.encode() for name, value in server.asked[0].headers.items()}
    assert labels.read(headers, None).subject == person


def test_an_answer_of_another_shape_is_asked_for_again_and_then_a_dead_letter(
    engine_of: Build, server: Server, clock: Clock
) -> None:
    server.answers = [said('{"urgent": "perhaps"}'), said("no JSON at all")]
    engine = engine_of(sorting())
    begun(engine)
    clock.advance(60)
    engine.drain()
    assert (row(engine).state, row(engine).cause, row(engine).layer) == ("dead", "invalid_output", "prompt")
    first, second = (each.headers["idempotency-key"] for each in server.asked)
    assert first != second


def test_a_busy_gateway_costs_no_try_and_pauses_the_automation(engine_of: Build, server: Server, clock: Clock) -> None:
    engine = engine_of(sorting())
    server.answers = [refused(429, "rate_limit_exceeded", retry_after="7")] * 3 + [said('{"urgent": false}')] * 2
    begun(engine)
    engine.enqueue("sorting", [Note("n2", "Me, too!")])
    assert engine.drain() == 0  # nobody else asks meanwhile
    for _ in range(6):
        clock.advance(16)
        engine.drain()
    with engine.store.database.read() as conn:
        states = list(conn.execute(select(runs.c.state, runs.c.attempts)))
    assert states == [("done", 0), ("done", 0)]


def test_a_refusal_by_policy_is_a_dead_letter_at_once(engine_of: Build, server: Server) -> None:
    server.answers = [refused(403, "content_blocked", x_should_retry="false")]
    found = begun(engine_of(sorting()))
    assert (found.state, found.cause, found.layer) == ("dead", "content_blocked", "gateway")


@pytest.mark.parametrize(
    ("state", "answer", "ends"), [("approved", '{"urgent": true}', "done"), ("rejected", None, "dead")]
)
def test_a_held_answer_is_waited_for_and_never_asked_for_twice(
    engine_of: Build, server: Server, gateway: MemoryGateway, clock: Clock, state: str, answer: str | None, ends: str
) -> None:
    server.answers = [refused(423, "held_for_review", x_sluice_review_id="rev_1", x_should_retry="false")]
    gateway.holds["rev_1"] = {"state": "open", "answer": None}
    engine = engine_of(sorting())
    assert begun(engine).state == "held"
    clock.advance(120)
    engine.drain()
    assert row(engine).state == "held"
    body = completion()
    body["choices"][0]["message"]["content"] = answer
    gateway.holds["rev_1"] = {"state": state, "answer": None if answer is None else body}
    clock.advance(120)
    engine.drain()
    assert (row(engine).state, len(server.asked)) == (ends, 1)
