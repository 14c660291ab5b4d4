"""What follows a failed try, as a table; and the times that are waited."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamDown, UpstreamError, UpstreamRefused, UpstreamTimeout
from gateway.resilience.retry import Chances, Failed, Left, asked_s, decide, failed, wait_s
from policy.blocks_routing import Cause

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
WORTH: tuple[Cause, ...] = ("timeout", "rate_limited", "server_error", "unavailable")
PLENTY = Left(retries=2, seconds=60, budget=True)


@pytest.mark.parametrize(
    ("why", "left", "action", "reason"),
    [
        (Failed("server_error"), PLENTY, "again", "server_error"),
        (Failed("rate_limited", asked_s=3), PLENTY, "again", "rate_limited"),
        (Failed("timeout"), PLENTY, "again", "timeout"),
        (Failed("unavailable"), PLENTY, "again", "unavailable"),
        (Failed("refused"), PLENTY, "next", "cause"),
        (Failed("context_length"), PLENTY, "next", "cause"),
        (Failed("server_error", output=True), PLENTY, "stop", "output"),
        (Failed("rate_limited", stays=True), PLENTY, "next", "stays"),
        (Failed("server_error"), Left(0, 60, True), "next", "attempts"),
        (Failed("server_error"), Left(2, 1.0, True), "next", "time"),
        (Failed("server_error"), Left(2, 60, False), "next", "budget"),
    ],
)
def test_what_follows_a_failure(why: Failed, left: Left, action: str, reason: str) -> None:
    found = decide(why, left, WORTH, 2.0)
    assert (found.action, found.reason) == (action, reason)
    assert found.wait_s == (2.0 if action == "again" else 0.0)


@pytest.mark.parametrize(
    ("error", "cause", "stays"),
    [
        (UpstreamTimeout(""), "timeout", False),
        (UpstreamRefused("", status=408), "timeout", False),
        (UpstreamRefused("", status=504), "timeout", False),
        (UpstreamRefused("", status=429), "rate_limited", False),
        (UpstreamRefused("", status=429, code="insufficient_quota"), "rate_limited", True),
        (UpstreamRefused("", status=502), "server_error", False),
        (UpstreamRefused("", status=503), "server_error", False),
        (UpstreamError("", code="upstream_unreachable"), "unavailable", False),
        (UpstreamError("", code="upstream_disconnected"), "unavailable", False),
        (UpstreamDown(""), "unavailable", True),
        (UpstreamRefused("", status=400, retryable=False), "refused", False),
        (UpstreamRefused("", status=502, code="upstream_credentials", retryable=False), "refused", False),
        (UpstreamRefused("", status=400, code="context_length_exceeded", retryable=False), "context_length", False),
    ],
)
def test_why_a_try_failed(error: UpstreamError, cause: Cause, stays: bool) -> None:
    assert failed(error, NOW, output=False) == Failed(cause, None, False, stays)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_what_the_upstream_asks(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_s(headers, NOW) == seconds


@given(st.integers(0, 10_000), st.floats(0, 3600) | st.none(), st.floats(0, 1))
def test_a_wait_is_never_shorter_than_asked(retry: int, asked: float | None, chance: float) -> None:
    waited = wait_s(retry, asked, chance)
    assert waited >= (asked if asked is not None else 0.5)
    assert waited <= 1.5 * max(asked if asked is not None else 8.0, 0.5)


@given(st.floats(0, 1, exclude_max=True))
def test_no_two_of_forty_waits_are_equal_to_a_millisecond(start: float) -> None:
    chances = Chances(start)
    found = []
    for _ in range(40):
        found.append(wait_s(0, 1.0, chances.coming))
        chances.use()
    waits = sorted(found)
    assert min(later - sooner for sooner, later in pairwise(waits)) > 0.001
