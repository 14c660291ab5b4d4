"""Outcomes and events that callers report: checked, recorded once per id, texts sealed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.intake import Intake
from gateway.providers.scripted import ScriptedProvider
from gateway.routes import events, outcomes, redact
from metrics.client import Known
from metrics.record.commits import Commit, OnFailure
from metrics.record.content import Content
from metrics.record.events import Event, encode
from metrics.record.journal import MemoryJournal
from tests.unit.gateway.making import KEY, pipeline, snapshot

OUTCOME = {"id": "o-1", "call_id": "call_1", "metric": "success", "value": True, "source": "human"}
EVENT = {"id": "e-1", "kind": "step.end", "run": "r-1", "body": {"status": "ok", "duration_ms": 3}}


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def client(tmp_path: Path, journal: MemoryJournal) -> Iterator[TestClient]:
    governed = pipeline(snapshot(tmp_path), ScriptedProvider([]), journal)
    intake = Intake(governed, lambda tenant, name: f"{tenant}-{hash(name):x}")
    app = create_app(governed, [outcomes.router(intake), events.router(intake), redact.router(governed)])
    with TestClient(app, headers={"authorization": f"Bearer {KEY.decode()}"}) as made:
        yield made


def reported(journal: MemoryJournal) -> list[tuple[Event, Content | None]]:
    """What was taken in; a refused request leaves a `call.end`."""
    return [(event, content) for event, content in journal.committed if event.kind not in ("request.end", "call.end")]


def test_an_outcome_is_recorded(client: TestClient, journal: MemoryJournal) -> None:
    response = client.post("/v1/outcomes", json=OUTCOME | {"ts": "2026-01-31T12:00:00+01:00"})
    assert response.json() == {"object": "outcome", "id": "o-1", "status": "recorded"}
    ((event, content),) = reported(journal)
    assert (event.kind, event.tenant, event.automation, event.actor) == ("outcome", "acme", "drafting", "key_1")
    assert event.ts_us == 1_769_857_200_000_000
    assert event.body["value"] is True
    assert event.body["call_id"] == "call_1"
    assert content is None


@pytest.mark.parametrize("call_id", ["DE89370400440532013000", "219-09-9999", "call_Ann", 4242424242424242, ""])
def test_only_an_id_of_a_call_names_one(client: TestClient, journal: MemoryJournal, call_id: object) -> None:
    response = client.post("/v1/outcomes", json=OUTCOME | {"call_id": call_id})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "call_id")
    assert str(call_id) not in response.text or call_id == ""
    assert not reported(journal)


def test_the_same_id_gives_the_same_event_and_another_id_another(client: TestClient, journal: MemoryJournal) -> None:
    for name in ("o-1", "o-1", "o-2"):
        client.post("/v1/outcomes", json=OUTCOME | {"id": name})
    ids = [event.event_id for event, _ in journal.committed]
    assert ids[0] == ids[1] != ids[2]


def test_texts_are_cleared_and_sealed(client: TestClient, journal: MemoryJournal) -> None:
    told = {"comment": "Ask ann@example.com", "corrected": {"to": "ann@example.com", "n": 2}, "value": "not so good"}
    client.post("/v1/outcomes", json=OUTCOME | told)
    ((event, content),) = reported(journal)
    assert event.body | {"value": None, "value_kind": "text", "corrected": True, "comment": True} == event.body
    for word in (b"ann@", b"Ask", b"good"):
        assert word not in encode(event)
    assert content is not None
    sealed = orjson.loads(content.fields["texts"])
    assert set(sealed) == {"comment", "corrected", "value"}
    assert "ann@example.com" not in str(content.fields["texts"])
    assert sealed["corrected"]["n"] == 2


def test_a_list_is_recorded_in_order(client: TestClient, journal: MemoryJournal) -> None:
    items = [OUTCOME | {"id": f"o-{n}"} for n in range(20)]
    answer = client.post("/v1/outcomes", json={"outcomes": items}).json()
    assert [item["id"] for item in answer["data"]] == [f"o-{n}" for n in range(20)]
    assert len(journal.committed) == 20


class TurnsCounted(MemoryJournal):
    """Notes in which turn of the event loop each record was written."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.turns: list[int] = []

    def begin_counting(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turn += 1
        if len(self.turns) < 20:
            loop.call_soon(self.begin_counting, loop)

    async def commit(self, event: Event, content: Content | None = None, *, on_failure: OnFailure = "block") -> Commit:
        if not self.turn:
            self.begin_counting(asyncio.get_running_loop())
        self.turns.append(self.turn)
        return await super().commit(event, content, on_failure=on_failure)


def test_a_long_list_lets_others_take_turns(tmp_path: Path) -> None:
    journal = TurnsCounted()
    governed = pipeline(snapshot(tmp_path), ScriptedProvider([]), journal)
    app = create_app(governed, [events.router(Intake(governed, lambda tenant, name: f"{tenant}-{hash(name):x}"))])
    with TestClient(app, headers={"authorization": f"Bearer {KEY.decode()}"}) as client:
        client.post("/v1/events", json={"events": [EVENT | {"id": f"e-{n}"} for n in range(20)]})
    assert max(Counter(journal.turns[:20]).values()) <= 4


WRONG: Any = [
    ({"id": None}, "id"),
    ({"id": "ann@example.com"}, "id"),
    ({"call_id": None}, "call_id"),
    ({"run_id": "r"}, "call_id"),
    ({"metric": "Not A Word"}, "metric"),
    ({"value": None}, "value"),
    ({"source": "me"}, "source"),
    ({"ts": "yesterday"}, "ts"),
    ({"ts": "2026-01-31T12:00:00"}, "ts"),
    ({"coment": "x"}, "coment"),
]


@pytest.mark.parametrize(("change", "param"), WRONG)
def test_what_is_wrong_is_named(change: dict[str, Any], param: str, client: TestClient, journal: MemoryJournal) -> None:
    alone = client.post("/v1/outcomes", json=OUTCOME | change)
    assert (alone.status_code, alone.json()["error"]["param"]) == (400, param)
    listed = client.post("/v1/outcomes", json={"outcomes": [OUTCOME, OUTCOME | change]})
    assert listed.json()["error"]["param"] == f"outcomes[1].{param}"
    assert not reported(journal)


def test_known_events_show_their_closed_fields_and_seal_the_rest(client: TestClient, journal: MemoryJournal) -> None:
    body = EVENT["body"] | {"note": "ann@example.com", "status": "ok", "step_kind": "anything"}  # type: ignore[operator]
    client.post("/v1/events", json=EVENT | {"body": body, "step": "draft", "subject": "customer-7"})
    ((event, content),) = reported(journal)
    assert (event.run, event.step) == ("r-1", "draft")
    assert {"status": "ok", "duration_ms": 3}.items() <= event.body.items()
    assert "note" not in event.body
    assert "step_kind" not in event.body
    assert content is not None
    assert content.subject == "customer-7"
    assert set(orjson.loads(content.fields["texts"])) == {"note", "step_kind"}


def test_what_was_found_is_open_and_what_was_asked_is_sealed(client: TestClient, journal: MemoryJournal) -> None:
    found = {"ids": ["kb-refunds.1", "kb-cancel.2"], "scores": [2.5, 1.123456789], "hits": 2, "index_version": "kbabc"}
    body = {**found, "query": "Who is ann@example.com?", "top_score": 2.5, "empty": False}
    client.post("/v1/events", json={"id": "r", "kind": "retrieval", "run": "r-1", "body": body})
    client.post("/v1/events", json={"id": "c", "kind": "retrieval.cited", "body": {"ids": ["Ann Lee"], "unknown": 0}})
    (event, content), (cited, named) = reported(journal)
    opened = {"ids": "kb-refunds.1 kb-cancel.2", "scores": [2.5, 1.12346], "index_version": "kbabc", "empty": False}
    assert opened.items() <= event.body.items()
    assert content is not None
    assert set(orjson.loads(content.fields["texts"])) == {"query", "scores"}
    assert "ids" not in cited.body
    assert named is not None


def test_unknown_events_are_sealed_whole(client: TestClient, journal: MemoryJournal) -> None:
    client.post("/v1/events", json={"id": "e", "kind": "ours.special", "body": {"a": 1, "b": "text"}})
    ((event, content),) = reported(journal)
    assert set(event.body) == {"received_us"}
    assert content is not None
    assert orjson.loads(content.fields["texts"]) == {"a": 1, "b": "text"}


def test_words_and_numbers_that_say_something_about_a_person_are_sealed(
    client: TestClient, journal: MemoryJournal
) -> None:
    iban, phone = "de89370400440532013000", 491701234567
    client.post("/v1/outcomes", json=OUTCOME | {"value": iban})
    client.post("/v1/outcomes", json=OUTCOME | {"metric": iban, "value": phone})
    client.post("/v1/events", json=EVENT | {"body": {"status": iban, "duration_ms": phone}})
    client.post("/v1/events", json={"id": "e", "kind": iban, "body": {}})
    seen = reported(journal)
    assert len(seen) == 4
    for event, content in seen:
        assert content is not None
        assert "DE89" not in str(content.fields["texts"]).upper()
        for secret in (iban, str(phone)):
            assert secret.encode() not in encode(event)
    assert seen[0][0].body | {"value": None, "value_kind": "text"} == seen[0][0].body
    assert seen[1][0].body["value"] == 491701000000
    assert orjson.loads(seen[1][1].fields["texts"])["value"] == phone  # type: ignore[union-attr]
    assert seen[3][0].kind == "other"


def test_short_numbers_and_plain_words_stay_readable(client: TestClient, journal: MemoryJournal) -> None:
    for value in (0.875, 12, -3.5e-7, "partly_done", False):
        client.post("/v1/outcomes", json=OUTCOME | {"value": value})
    assert [event.body["value"] for event, _ in reported(journal)] == [0.875, 12, -3.5e-7, "partly_done", False]
    assert all(content is None for _, content in reported(journal))


@pytest.mark.parametrize("kind", ["call.end", "outcome", "policy.activated", "key.created", "gap", "Bad Kind", ""])
def test_kinds_of_our_own_cannot_be_forged(kind: str, client: TestClient, journal: MemoryJournal) -> None:
    response = client.post("/v1/events", json=EVENT | {"kind": kind})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "kind")
    assert not reported(journal)


def test_reports_need_a_key_and_a_journal(client: TestClient, journal: MemoryJournal) -> None:
    assert client.post("/v1/events", json=EVENT, headers={"authorization": "Bearer no"}).status_code == 401
    journal.fail = True
    refused = client.post("/v1/events", json=EVENT)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "record_failed")


def test_a_blocked_value_is_not_recorded(client: TestClient, journal: MemoryJournal) -> None:
    refused = client.post("/v1/outcomes", json=OUTCOME | {"comment": "4111 1111 1111 1111"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "content_blocked")
    assert not reported(journal)


def test_an_event_is_kept_without_the_text_that_the_policy_blocks(client: TestClient, journal: MemoryJournal) -> None:
    body = {"query": "card 4111 1111 1111 1111", "note": "Hello.", "hits": 0, "empty": True}
    posted = client.post("/v1/events", json=EVENT | {"kind": "retrieval", "body": body})
    assert (posted.status_code, posted.json()["withheld"]) == (200, ["credit_card"])
    ((event, content),) = reported(journal)
    assert {name: event.body[name] for name in ("hits", "empty", "withheld")} == {
        "hits": 0,
        "empty": True,
        "withheld": "credit_card",
    }
    assert content is not None
    assert orjson.loads(content.fields["texts"]) == {"note": "Hello."}
    assert b"4111" not in encode(event) + repr(content).encode()


def test_a_request_can_be_inspected_without_a_trace(client: TestClient, journal: MemoryJournal) -> None:
    text = '{"mail": "ann@example.com"}'
    found = client.post("/v1/redact/inspect", json={"text": text}).json()
    assert "ann@example.com" not in str(found)
    assert found["text"].startswith('{"mail": "[EMAIL_')
    ((kind, value),) = [(each["kind"], text[each["start"] : each["end"]]) for each in found["entities"]]
    assert (kind, value) == ("EMAIL_ADDRESS", "ann@example.com")
    named = client.post("/v1/redact/inspect", json={"text": text, "policy": found["policy"]}).json()
    assert named == found
    assert client.post("/v1/redact/inspect", json={"text": text, "policy": "nosuch"}).status_code == 400
    body = {"messages": [{"role": "user", "content": "4111 1111 1111 1111"}]}
    blocked = client.post("/v1/redact/inspect", json={"request": body}).json()
    assert blocked["blocked"]["kind"] == "CREDIT_CARD"
    assert client.post("/v1/redact/inspect", json={"text": 1}).status_code == 400
    kinds = [(event.kind, event.body["endpoint"]) for event, content in journal.committed if content is None]
    assert kinds == [
        (kind, "/v1/redact/inspect") for kind in ("request.end",) * 2 + ("call.end", "request.end", "call.end")
    ]
    assert "mail" not in str(journal.events)


def client_of(folder: Path, journal: MemoryJournal, known: outcomes.Ask, block: str = "") -> TestClient:
    governed = pipeline(snapshot(folder, routing=block), ScriptedProvider([]), journal)
    intake = Intake(governed, lambda tenant, name: f"{tenant}-{hash(name):x}")
    app = create_app(governed, [outcomes.router(intake, known)])
    return TestClient(app, headers={"authorization": f"Bearer {KEY.decode()}"})


@pytest.mark.parametrize(("answer", "status"), [(True, 200), (None, 200), (False, 404)])
def test_an_outcome_of_what_was_never_recorded_is_refused(
    tmp_path: Path, journal: MemoryJournal, answer: bool | None, status: int
) -> None:
    """None: the recorder is behind or away, so the outcome is taken and joined later."""
    with client_of(tmp_path, journal, lambda _holder, _call, _run: Known(answer)) as client:
        batch = {"outcomes": [OUTCOME, OUTCOME | {"id": "o-2", "call_id": None, "run_id": "r-9"}]}
        response = client.post("/v1/outcomes", json=batch)
    assert response.status_code == status
    if status == 404:
        error = response.json()["error"]
        assert (error["code"], error["param"]) == ("not_found", "outcomes[0].call_id")
        assert "call_1" in error["message"]
    assert len(reported(journal)) == (2 if status == 200 else 0)


def test_each_call_and_run_is_asked_for_once(tmp_path: Path, journal: MemoryJournal) -> None:
    asked: list[tuple[str | None, str | None]] = []

    def known(_holder: object, call: str | None, run: str | None) -> Known:
        asked.append((call, run))
        return Known()

    with client_of(tmp_path, journal, known) as client:
        client.post("/v1/outcomes", json={"outcomes": [OUTCOME | {"id": f"o-{n}"} for n in range(5)]})
    assert asked == [("call_1", None)]


def test_a_policy_that_declares_metrics_takes_no_others(tmp_path: Path, journal: MemoryJournal) -> None:
    block = "outcomes: {metrics: {stars: {kind: number}, topic: {kind: text}}}\n"
    with client_of(tmp_path, journal, outcomes.unknowable, block) as client:
        for metric, value, status in (
            ("stars", 4, 200), ("stars", True, 400), ("topic", "billing", 200), ("topic", "Two words", 200),
            ("topic", 3, 400), ("mood", "good", 400), ("success", True, 200), ("override", False, 200),
        ):  # fmt: skip
            response = client.post("/v1/outcomes", json=OUTCOME | {"metric": metric, "value": value})
            assert response.status_code == status, (metric, value)


def test_an_outcome_that_comes_after_a_week_is_marked(client: TestClient, journal: MemoryJournal) -> None:
    now_us = 1_790_000_000_000_000
    for days in (1, 8):
        began = f"{now_us - days * 24 * 3600 * 1_000_000:014x}"
        client.post("/v1/outcomes", json=OUTCOME | {"id": f"o-{days}", "call_id": f"call_{began}{'0' * 16}"})
    assert [event.body.get("late", False) for event, _ in reported(journal)] == [False, True]


@pytest.mark.parametrize(("days", "late"), [(1, False), (8, True)])
def test_an_outcome_that_comes_a_week_after_its_run_began_is_marked(
    tmp_path: Path, journal: MemoryJournal, days: int, late: bool
) -> None:
    began_us = 1_790_000_000_000_000 - days * 24 * 3600 * 1_000_000
    with client_of(tmp_path, journal, lambda _holder, _call, _run: Known(True, began_us)) as client:
        client.post("/v1/outcomes", json=OUTCOME | {"call_id": None, "run_id": "r-9"})
    assert [event.body.get("late", False) for event, _ in reported(journal)] == [late]
