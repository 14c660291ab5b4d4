"""The way of one call through its candidates: who is asked, how often, after how long, and what the record says."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.providers.scripted import ScriptedProvider, ScriptedReply, json_reply, stream_reply
from gateway.resilience.breakers import Breakers
from gateway.resilience.tries import RetryBudget, Tries
from gateway.wire.chat import CHAT
from metrics.record.journal import MemoryJournal
from tests.e2e.wire import ASK, completion, text_chunks, usage_chunk
from tests.unit.gateway.making import Client, pipeline, snapshot

Script = list[ScriptedReply | UpstreamError]
TWO = "routing: {candidates: [{model: test/gpt-test}, {model: second/gpt-other}], retries: {attempts: 1}"
CHAINS = (
    TWO
    + ", fallbacks: [{after: [context_length], models: [test/gpt-long]}, {after: [rate_limited], models: [second/x]}]}"
)


class Asked:
    """One call through a pipeline whose waits take no time."""

    def __init__(
        self, tree: Path, routing: str, replies: Script, tries: Tries | None = None, delivery: str = "live", **more: Any
    ) -> None:
        self.waits: list[float] = []
        self.journal, self.provider = MemoryJournal(), ScriptedProvider(list(replies))
        made = pipeline(snapshot(tree, delivery, routing=routing + "\n"), self.provider, self.journal)
        shared = dataclasses.replace(tries or Tries(), sleep=self._sleep)
        self.client = Client(orjson.dumps({"model": "gpt-test", "messages": ASK} | more))
        asyncio.run(self.client.ask(dataclasses.replace(made, tries=shared), CHAT))

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def end(self) -> Any:
        (end,) = [event.body for event in self.journal.events if event.kind == "call.end"]
        return end

    @property
    def models(self) -> list[str]:
        return [sent.json["model"] for sent in self.provider.sent]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.client.sent[0]["headers"])


def refused(status: int, code: str | None = None, **headers: str) -> ScriptedReply:
    body = orjson.dumps({"error": {"message": "no", "code": code}})
    return ScriptedReply(status, [body], {name.replace("_", "-"): text for name, text in headers.items()})


def good() -> ScriptedReply:
    return json_reply(completion())


def test_the_same_candidate_is_asked_again_and_every_attempt_is_recorded(tmp_path: Path) -> None:
    call = Asked(tmp_path, "routing: {retries: {attempts: 2}}", [refused(500), refused(429, retry_after="3"), good()])
    assert call.client.status == 200
    assert call.models == ["gpt-test"] * 3
    assert 0.5 <= call.waits[0] <= 0.75
    assert 3.0 <= call.waits[1] <= 4.5
    assert [(each["status"], each["cost_usd"] == 0.0) for each in call.end["attempts"]] == [
        (500, True),
        (429, True),
        (200, False),
    ]
    assert [(each["cause"], each["then"]) for each in call.end["retries"]] == [
        ("server_error", "again"),
        ("rate_limited", "again"),
    ]


def test_a_gateway_that_has_retried_tells_the_client_not_to(tmp_path: Path) -> None:
    call = Asked(tmp_path, "routing: {retries: {attempts: 1}}", [refused(503), refused(503)])
    assert (call.client.status, call.headers[b"x-should-retry"]) == (503, b"false")
    assert [each["reason"] for each in call.end["retries"]] == ["server_error", "attempts"]


def test_one_that_has_not_leaves_it_to_the_client(tmp_path: Path) -> None:
    call = Asked(tmp_path, "routing: {retries: {attempts: 0}}", [refused(503)])
    assert b"x-should-retry" not in call.headers


def test_a_wait_beyond_the_total_time_out_is_not_begun(tmp_path: Path) -> None:
    call = Asked(tmp_path, "routing: {retries: {attempts: 2}}", [refused(429, retry_after="10000")])
    assert (call.waits, call.headers[b"retry-after"]) == ([], b"10000")
    assert call.end["retries"][0]["reason"] == "time"
    assert b"x-should-retry" not in call.headers


def test_retries_are_spent_once_not_once_for_each_candidate(tmp_path: Path) -> None:
    call = Asked(tmp_path, TWO + "}", [refused(500), refused(500), refused(500)])
    assert call.models == ["gpt-test", "gpt-test", "gpt-other"]
    assert call.headers[b"x-should-retry"] == b"false"


@pytest.mark.parametrize(
    ("first", "models"),
    [
        (lambda: refused(400, "context_length_exceeded"), ["gpt-test", "gpt-long"]),
        (lambda: refused(429, "insufficient_quota"), ["gpt-test", "x"]),
        (lambda: refused(400, "content_filter"), ["gpt-test"]),
        (lambda: refused(401), ["gpt-test"]),
    ],
)
def test_fallbacks_are_by_cause(first: Callable[[], ScriptedReply], models: list[str], tmp_path: Path) -> None:
    assert Asked(tmp_path, CHAINS, [first(), good()]).models == models


def test_without_a_chain_the_next_candidate_is_asked(tmp_path: Path) -> None:
    silent = UpstreamTimeout("late")
    call = Asked(tmp_path, CHAINS, [silent, silent, good()])
    assert call.models == ["gpt-test", "gpt-test", "gpt-other"]
    assert [each["cost_usd"] for each in call.end["attempts"]][:2] == [None, None]  # it may have been made and billed


@pytest.mark.parametrize("streamed", [False, True])
def test_nobody_is_asked_again_once_an_answer_has_begun(streamed: bool, tmp_path: Path) -> None:
    broken = UpstreamError("gone", code="upstream_disconnected")
    head = {"content-type": "text/event-stream" if streamed else "application/json"}
    first = ScriptedReply(200, [b'data: {"choices": []}\n\n' if streamed else b'{"choices"'], head, broken)
    call = Asked(tmp_path, TWO + "}", [first, good()], stream=streamed)
    assert len(call.provider.sent) == 1
    assert b"upstream_disconnected" in call.client.body


def test_a_stream_that_did_not_begin_is_asked_for_again(tmp_path: Path) -> None:
    good_stream = stream_reply(*text_chunks("Hello."), usage_chunk())
    call = Asked(tmp_path, TWO + "}", [refused(500), good_stream], stream=True)
    assert call.client.body.endswith(b"data: [DONE]\n\n")
    assert len(call.end["attempts"]) == 2


def test_the_budget_is_a_fifth_of_the_calls_under_way_and_at_least_three() -> None:
    budget = RetryBudget()
    budget.retrying = 2
    assert budget.room
    budget.retrying = 3
    assert not budget.room
    budget.active, budget.retrying = 100, 19
    assert budget.room
    budget.retrying = 20
    assert not budget.room


def test_a_retry_that_is_not_made_leaves_no_gap_between_the_waits(tmp_path: Path) -> None:
    tries = Tries()
    tries.budget.retrying = 3
    coming = tries.chances.coming
    Asked(tmp_path / "none", "routing: {retries: {attempts: 1}}", [refused(500)], tries)
    assert tries.chances.coming == coming
    tries.budget.retrying = 0
    call = Asked(tmp_path / "one", "routing: {retries: {attempts: 1}}", [refused(500), good()], tries)
    assert call.waits == [0.5 + 0.25 * coming]


def test_a_spent_budget_lets_the_call_fail_at_once(tmp_path: Path) -> None:
    budget = RetryBudget()
    budget.retrying = 3
    call = Asked(tmp_path, "routing: {retries: {attempts: 2}}", [refused(500)], Tries(budget=budget))
    assert call.end["retries"][0]["reason"] == "budget"
    assert (budget.active, budget.retrying) == (0, 3)


def test_an_open_breaker_refuses_without_asking_and_falls_back(tmp_path: Path) -> None:
    breakers = Breakers()
    tries = Tries(breakers=breakers)
    rule = snapshot(tmp_path / "rule").providers["test"].breaker
    for _ in range(rule.failures):
        breakers.report("scripted/gpt-test", rule, tries.clock_ms(), False)
    call = Asked(tmp_path / "one", "routing: {retries: {attempts: 2}}", [good()], tries)
    assert (call.client.status, call.provider.sent, call.waits) == (503, [], [])
    assert b"upstream_unavailable" in call.client.body
    assert 1 <= int(call.headers[b"retry-after"]) <= 10
    assert call.end["breakers"] == {"scripted/gpt-test": "open"}
    other = Asked(tmp_path / "two", TWO + "}", [good()], tries)
    assert (other.client.status, other.models) == (200, ["gpt-other"])


def test_failures_open_the_breaker_and_refusals_do_not(tmp_path: Path) -> None:
    tries = Tries()
    for number, status in enumerate([429] * 6 + [400] * 6 + [500] * 5):
        Asked(tmp_path / str(number), "routing: {retries: {attempts: 0}}", [refused(status)], tries)
    (seen,) = tries.breakers.seen({}, tries.clock_ms())
    assert (seen["state"], seen["failures_in_a_row"]) == ("open", 5)


@pytest.mark.parametrize("delivery", ["live", "buffered"])
def test_streams_that_break_after_their_first_byte_open_the_breaker(delivery: str, tmp_path: Path) -> None:
    tries, cut = Tries(), UpstreamError("gone", code="upstream_disconnected")
    for number in range(5):
        begun = dataclasses.replace(stream_reply(*text_chunks("Hel")[:-1], done=False), broken=cut)
        Asked(tmp_path / str(number), "", [begun], tries, delivery, stream=True)
    (seen,) = tries.breakers.seen({}, tries.clock_ms())
    assert (seen["state"], seen["failures_in_a_row"]) == ("open", 5)


def test_a_stream_that_ends_well_closes_the_row(tmp_path: Path) -> None:
    tries = Tries()
    Asked(tmp_path, "", [stream_reply(*text_chunks("Hello"), usage_chunk())], tries, stream=True)
    (seen,) = tries.breakers.seen({}, tries.clock_ms())
    assert (seen["state"], seen["failures_in_a_row"]) == ("closed", 0)
