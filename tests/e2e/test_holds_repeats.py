"""A held request repeated under its Idempotency-Key: one answer of the model, one review, and what became of it."""

from typing import Any

import openai
import pytest

from tests.e2e.test_holds import ANSWER, Office, Open, ask, open_office, say
from tests.upstream import Upstream

__all__ = ["open_office"]
REPEATED: Any = {"extra_headers": {"idempotency-key": "letter-7"}, "timeout": 20}


def refused(office: Office, streamed: bool, **more: Any) -> tuple[str | None, str]:
    """Ask again; give the code of the refusal and the review that it names."""
    with pytest.raises(openai.APIStatusError) as caught:
        ask(office.client(), streamed, **{**REPEATED, **more})
    return caught.value.code, caught.value.response.headers["x-sluice-review-id"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_repeated_request_asks_after_the_review_that_it_opened(
    open_office: Open, upstream: Upstream, streamed: bool
) -> None:
    office = open_office("reply: error")
    say(upstream, streamed)
    code, review_id = refused(office, streamed)
    assert (code, refused(office, streamed)) == ("held_for_review", (code, review_id))
    assert [waiting["id"] for waiting in office.queue()] == [review_id]
    office.call("POST", f"/reviews/{review_id}/approve", {})
    assert ask(office.client(), streamed, **REPEATED) == ask(office.client(), streamed, **REPEATED) == ANSWER
    assert len(upstream.received) == 1
    ends = office.running.ends(4)
    assert [end.get("reused") for end in ends] == [None, *3 * ["idempotency"]]
    assert [end.get("verdict") for end in ends] == ["hold", None, None, None]


def test_a_repeated_request_gets_the_edit_or_the_refusal(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: error")
    say(upstream, False)
    _, review_id = refused(office, False)
    office.call("POST", f"/reviews/{review_id}/edit", {"text": "Dear Ann,"})
    assert ask(office.client(), False, **REPEATED) == "Dear Ann,"
    other = {"extra_headers": {"idempotency-key": "letter-8"}}
    _, review_id = refused(office, False, **other)
    office.call("POST", f"/reviews/{review_id}/reject", {})
    assert refused(office, False, **other) == ("rejected_by_reviewer", review_id)
    assert len(upstream.received) == 2


def test_who_gives_up_waiting_finds_the_same_review_again(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: wait, wait: 20s")
    say(upstream, False)
    with pytest.raises(openai.APITimeoutError):
        ask(office.client(), False, **{**REPEATED, "timeout": 0.5})
    code, review_id = refused(office, False)
    assert (code, [waiting["id"] for waiting in office.queue()]) == ("held_for_review", [review_id])
    assert len(upstream.received) == 1


def test_a_stop_holds_what_was_answered_before_and_gives_what_a_person_released(
    open_office: Open, upstream: Upstream
) -> None:
    office = open_office("", "live")
    say(upstream, False)
    assert ask(office.client(), False, **REPEATED) == ANSWER
    office.call("PUT", "/stops/drafting")
    other = {"extra_headers": {"idempotency-key": "letter-8"}}
    _, review_id = refused_once_stopped(office, other)
    assert refused(office, False)[0] == "held_for_review"
    office.call("POST", f"/reviews/{review_id}/approve", {})
    assert ask(office.client(), False, **other) == ANSWER


def refused_once_stopped(office: Office, other: Any) -> tuple[str | None, str]:
    """Ask until the stop is seen; each try under a key of its own but for the last."""
    for _ in range(200):
        try:
            ask(office.client(), False)
        except openai.APIStatusError:
            break
    return refused(office, False, **other)
