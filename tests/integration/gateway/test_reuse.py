"""The same answer twice: for a repeated request, and from the cache; never for anybody else."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.answers import AnswerStore, Known, MemoryAnswers, Named, SealedAnswers
from gateway.control.database import open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.providers.scripted import json_reply
from gateway.wire.chat import CHAT
from metrics.record.master import MasterKey
from tests.contract.control.clock import Clock
from tests.integration.gateway.test_policy_blocks import World, answer, code, headers, streamed
from tests.unit.gateway.making import Client, snapshot

KEY: dict[str, Any] = {"idempotency_key": "order-1"}
CACHE = "cache: {mode: exact}\n"


def said(content: str) -> Any:
    return answer(content=content)


def test_a_repeated_request_gets_the_first_answer_with_its_own_values(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path), *(answer() for _ in range(3)))
    text = "Write to ann@example.com please."
    mark = next(word for word in _first_sent(world, text).split() if word.startswith("["))
    world.provider.replies.clear()
    world.provider.replies.append(said(f"Done for {mark}"))
    body = {"messages": [{"role": "user", "content": text}]}
    first, second = world.ask(body, **KEY), world.ask(body, **KEY)
    assert orjson.loads(first.body)["choices"][0]["message"]["content"] == "Done for ann@example.com"
    assert orjson.loads(second.body) == orjson.loads(first.body)
    assert headers(second)["x-sluice-reused"] == "idempotency"
    assert "x-sluice-reused" not in headers(first)
    assert (world.ends[2]["reused"], world.ends[2]["cost_usd"], world.ends[2]["attempts"]) == ("idempotency", 0.0, [])
    assert "ann@example.com" not in str(world.pipeline.reuse.store)


def _first_sent(world: World, text: str) -> str:
    world.ask({"messages": [{"role": "user", "content": text}]})
    content: str = world.sent()["messages"][0]["content"]
    return content


def test_another_body_under_the_same_key_is_a_conflict(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path), answer(), answer())
    world.ask(**KEY)
    refused = world.ask({"temperature": 1}, **KEY)
    assert code(refused) == (409, "idempotency_key_reused")
    assert headers(refused)["x-should-retry"] == "false"
    assert world.ask({"temperature": 1}, idempotency_key="order-2").status == 200


def test_a_failed_call_may_be_repeated(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path), json_reply({"error": {"message": "no"}}, 400), answer())
    assert [world.ask(**KEY).status, world.ask(**KEY).status] == [400, 200]


def test_a_second_request_while_the_first_is_under_way(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path), answer())

    async def both() -> None:
        store = world.pipeline.reuse.store
        body = orjson.loads(orjson.dumps({"model": "gpt-test", "messages": [{"role": "user", "content": "x"}]}))
        name = store.hidden("acme", b"key_1", b"order-1")
        await store.claim("acme", "idempotency", name, store.hidden("acme", b"chat.completions", orjson.dumps(body)), 9)
        refused = await world.asking(body, **KEY)
        assert code(refused) == (409, "idempotency_in_progress")
        assert "x-should-retry" not in headers(refused)

    asyncio.run(both())


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_equal_requests_are_answered_from_the_cache_streamed_or_not(tmp_path: Path, first: bool, second: bool) -> None:
    world = World(snapshot(tmp_path, routing=CACHE), streamed('{"a": 1}') if first else answer(content="Hello."))
    world.ask({"stream": first})
    hit = world.ask({"stream": second, **({"stream_options": {"include_usage": True}} if second else {})})
    assert (hit.status, headers(hit)["x-sluice-reused"]) == (200, "cache")
    assert len(world.provider.sent) == 1
    wanted = b"refund" if first else b"Hello."
    assert wanted in hit.body
    assert hit.body.endswith(b"data: [DONE]\n\n") is second
    assert headers(hit)["content-type"].startswith("text/event-stream" if second else "application/json")


class Impatient(Client):
    """Looks what is kept at the very moment it has the whole answer."""

    known: tuple[str, ...] = ()

    def look_into(self, store: AnswerStore) -> None:
        assert isinstance(store, MemoryAnswers)
        self._kept = store.kept

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.known = tuple(kind for (_, kind, _), raw in self._kept.items() if orjson.loads(raw)["answer"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_who_has_the_answer_may_ask_again_at_once(tmp_path: Path, stream: bool, delivery: str) -> None:
    world = World(snapshot(tmp_path, routing=CACHE, delivery=delivery), streamed("{}") if stream else answer())
    body = {"model": "gpt-test", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    client = Impatient(orjson.dumps(body), **KEY)
    client.look_into(world.pipeline.reuse.store)
    asyncio.run(client.ask(world.pipeline, CHAT))
    assert client.status == 200
    assert sorted(client.known) == ["cache", "idempotency"]


@pytest.mark.parametrize(
    ("more", "labels"),
    [({"temperature": 0.5}, {}), ({"messages": [{"role": "user", "content": "Write to bob@example.com."}]}, {})],
)
def test_what_differs_is_not_taken_from_the_cache(tmp_path: Path, more: dict[str, Any], labels: dict[str, str]) -> None:
    world = World(snapshot(tmp_path, routing=CACHE), answer(), answer())
    world.ask()
    assert "x-sluice-reused" not in headers(world.ask(more, **labels))


def test_calls_about_a_person_and_observed_caches_ask_the_model(tmp_path: Path) -> None:
    world = World(snapshot(tmp_path / "a", routing=CACHE), answer(), answer())
    assert all("x-sluice-reused" not in headers(world.ask(x_sluice_subject="ann")) for _ in range(2))
    observed = World(snapshot(tmp_path / "b", routing="cache: {mode: exact, enforce: observe}\n"), answer(), answer())
    assert all("x-sluice-reused" not in headers(observed.ask()) for _ in range(2))
    assert [end.get("would_reuse") for end in observed.ends] == [None, True]


@pytest.fixture(params=["memory", "sealed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnswerStore]:
    if request.param == "memory":
        yield MemoryAnswers()
        return
    database = open_database(f"sqlite:///{tmp_path}/control.db", Clock())
    upgrade(database)
    ensure_tenant(database, "acme")
    ensure_tenant(database, "other")
    yield SealedAnswers(database, MasterKey(b"m" * 32), lambda tenant, subject: f"ref:{tenant}:{subject}")
    database.close()


def test_a_name_is_taken_once_by_each_tenant(store: AnswerStore) -> None:
    async def play() -> None:
        assert await store.claim("acme", "k", "n", "asked", 60) is None
        assert await store.claim("acme", "k", "n", "other", 60) == Known("asked")
        assert await store.claim("other", "k", "n", "asked", 60) is None
        await store.put("acme", Named("k", "n", 60), Known("asked", {"a": 1}))
        assert await store.get("acme", "k", "n") == Known("asked", {"a": 1})
        await store.drop("acme", "k", "n")
        assert await store.get("acme", "k", "n") is None
        assert await store.get("other", "k", "n") == Known("asked")

    asyncio.run(play())
    assert store.hidden("acme", b"a", b"b") != store.hidden("acme", b"ab")
    assert store.hidden("acme", b"a") != store.hidden("other", b"a")


def test_a_claim_ends_with_its_time(tmp_path: Path) -> None:
    clock = Clock()
    database = open_database(f"sqlite:///{tmp_path}/control.db", clock)
    upgrade(database)
    ensure_tenant(database, "acme")
    store = SealedAnswers(database, MasterKey(b"m" * 32), lambda tenant, subject: f"ref:{tenant}:{subject}")
    assert asyncio.run(store.claim("acme", "k", "n", "one", 60)) is None
    clock.advance(61)
    assert asyncio.run(store.claim("acme", "k", "n", "two", 60)) is None
    database.close()
