"""Held, edited and released answers as an unchanged OpenAI client sees them, over sockets, streamed and not."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from sqlalchemy import update

from gateway.control.database import Database, open_database
from gateway.control.identity.bootstrap import bootstrap
from gateway.control.identity.login import create_link, sign_in_by_link
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.identity.users import create_user
from gateway.control.migrations import upgrade
from gateway.control.outbox import unrelayed
from gateway.control.reviews import expire
from gateway.control.schema_reviews import reviews
from tests.e2e.conftest import new_client
from tests.e2e.responses_wire import message, response
from tests.e2e.wire import ASK, chunk, completion, text_chunks
from tests.running_gateway import Running, running_gateway, write_policies
from tests.upstream import Upstream, reply, stream

TEMPLATE = """
template: wait
version: 1
schema: 1
owner: o@example.com
wordings: [{text: "A person looks at this first."}]
"""
BLOCKS = """
confidence:
  scorers: [{kind: expression, expression: "size(text) > 40 ? 1.0 : 0.1"}]
  bands: [{at_least: 0.9, verdict: pass}, {at_least: 0, verdict: hold}]
hold: {queue: letters, deadline: 1h, HOLD}
"""
AUDITED = """
confidence:
  scorers: [{kind: expression, expression: "0.9"}]
  bands: [{at_least: certified, verdict: pass}, {at_least: 0, verdict: pass}]
  unscored: pass
  certified: {alpha: 0.1, audit_deadline: 1h}
"""
ANSWER = "To ann@example.com."


@dataclass
class Office:
    """A running gateway with a policy that holds short answers, a reviewer, and the database behind both."""

    running: Running
    database: Database
    session: str
    stack: ExitStack

    def client(self, **options: Any) -> openai.OpenAI:
        return self.stack.enter_context(new_client(self.running, **options))

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = {"authorization": f"Bearer {key or self.session}"}
        return httpx2.request(method, f"{self.running.base_url}{path}", json=body, headers=headers).json()

    def queue(self) -> list[Any]:
        found: list[Any] = self.call("GET", "/reviews")["data"]
        return found

    def expired(self) -> None:
        """Let the deadline of the first review that appears pass."""
        _until(lambda: bool(self.queue()))
        with self.database.write() as tx:
            tx.execute(update(reviews).values(deadline_us=tx.now_us))
        _until(lambda: expire(self.database) > 0)

    def soon(self, action: str, body: Any) -> threading.Thread:
        """Decide the first review that appears."""

        def act() -> None:
            deadline = time.monotonic() + 5
            while not (found := self.queue()) and time.monotonic() < deadline:
                time.sleep(0.01)
            self.call("POST", f"/reviews/{found[0]['id']}/{action}", body)

        thread = threading.Thread(target=act)
        thread.start()
        return thread


Open = Callable[..., Office]


@pytest.fixture
def open_office(tmp_path: Path, upstream: Upstream) -> Iterator[Open]:
    with ExitStack() as stack:

        def begin(hold: str, delivery: str = "buffered", blocks: str = BLOCKS) -> Office:
            policies = write_policies(tmp_path / "policies", upstream.base_url, delivery)
            (policies / "templates" / "wait").mkdir(parents=True)
            (policies / "templates" / "wait" / "v1.yaml").write_text(TEMPLATE)
            with (policies / "structured.yaml").open("a") as file:
                file.write(blocks.replace("HOLD", hold) if hold or blocks != BLOCKS else "")
            database = open_database(f"sqlite:///{tmp_path}/control/control.db")
            stack.callback(database.close)
            upgrade(database)
            bootstrap(database, None)
            ensure_tenant(database, "acme")
            admin = local_operator("acme")
            user = create_user(database, "acme", "reviewer@example.com", ["reviewer", "auditor", "policy_owner"], admin)
            link = create_link(database, "acme", user.user_id, admin)
            session = sign_in_by_link(database, link, "test").token
            running = stack.enter_context(running_gateway(policies, control=database))
            return Office(running, database, session, stack)

        yield begin


def ask(client: openai.OpenAI, streamed: bool, **more: Any) -> str:
    """Ask and give the text, however it comes."""
    said: Any = client.chat.completions.create(model="gpt-test", messages=ASK, stream=streamed, **more)
    if not streamed:
        return str(said.choices[0].message.content)
    return "".join(part.choices[0].delta.content or "" for part in said if part.choices)


def say(upstream: Upstream, streamed: bool, text: str = "To {mark}.") -> None:
    """Let the upstream answer with the placeholder that it was sent."""

    def answer(request: Any) -> Any:
        mark = request.json["messages"][-1]["content"].split()[2]
        said = text.format(mark=mark)
        return stream(*text_chunks(*re.split("(?= )", said))) if streamed else reply(completion({"content": said}))

    upstream.default = answer


@pytest.mark.parametrize("streamed", [False, True])
def test_error_the_answer_is_held_and_polled(open_office: Open, upstream: Upstream, streamed: bool) -> None:
    office = open_office("reply: error")
    say(upstream, streamed)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(office.client(max_retries=2), streamed)
    assert (caught.value.status_code, caught.value.code) == (423, "held_for_review")
    assert len(upstream.received) == 1  # a client that may retry does not
    review_id = caught.value.response.headers["x-sluice-review-id"]
    assert caught.value.response.headers["x-sluice-decision"] == "hold"
    assert office.call("GET", f"/v1/holds/{review_id}", key="sk-sluice-test")["answer"] is None
    [waiting] = office.queue()
    assert (waiting["id"], waiting["queue"], waiting["automation"]) == (review_id, "letters", "drafting")
    shown = office.call("GET", f"/reviews/{review_id}")
    assert "ann@example.com" not in str(shown)
    office.call("POST", f"/reviews/{review_id}/approve", {"reason": "correct"})
    polled = office.call("GET", f"/v1/holds/{review_id}", key="sk-sluice-test")
    assert (polled["state"], polled["output"]) == ("approved", "answer")
    assert "ann@example.com" in polled["answer"]["choices"][0]["message"]["content"]
    end = office.running.ends()[0]
    assert (end["verdict"], end["status"], end["error_code"]) == ("hold", 423, "held_for_review")
    assert end["review"] == {"id": review_id, "queue": "letters", "reply": "error"}
    other = office.call("GET", f"/v1/holds/{review_id}", key="sk-sluice-ungoverned")
    assert other["error"]["code"] == "not_found"


@pytest.mark.parametrize("streamed", [False, True])
def test_fallback_the_template_stands_in(open_office: Open, upstream: Upstream, streamed: bool) -> None:
    office = open_office("reply: fallback, template: wait")
    say(upstream, streamed)
    assert ask(office.client(), streamed) == "A person looks at this first."
    [waiting] = office.queue()
    assert office.running.ends()[0]["review"]["id"] == waiting["id"]
    edited = office.call(
        "POST", f"/reviews/{waiting['id']}/edit", {"text": "Better, bob@example.com.", "reason": "wrong_tone"}
    )
    assert (edited["state"], edited["output"]) == ("edited", "edit")
    polled = office.call("GET", f"/v1/holds/{waiting['id']}", key="sk-sluice-test")
    assert polled["answer"]["choices"][0]["message"]["content"] == "Better, <EMAIL_ADDRESS>."
    assert office.call("GET", f"/reviews/{waiting['id']}")["edit"] == "Better, <EMAIL_ADDRESS>."


@pytest.mark.parametrize("streamed", [False, True])
def test_wait_the_caller_gets_what_the_reviewer_decides(open_office: Open, upstream: Upstream, streamed: bool) -> None:
    office = open_office("reply: wait, wait: 5s")
    say(upstream, streamed)
    client, long = office.client(), "\u8fd9\u662f\U0001f600" * 16_000  # 48,000 characters, many more bytes
    deciding = office.soon("approve", {})
    assert ask(client, streamed) == ANSWER
    deciding.join()
    deciding = office.soon("edit", {"text": "Dear Ann,"})
    assert ask(client, streamed) == "Dear Ann,"
    deciding.join()
    deciding = office.soon("edit", {"text": long})
    assert ask(client, streamed) == long
    deciding.join()
    deciding = office.soon("reject", {"reason": "policy_breach"})
    with pytest.raises(openai.APIError) as caught:
        ask(client, streamed)
    deciding.join()
    assert caught.value.code == "rejected_by_reviewer"
    assert [end["status"] for end in office.running.ends(4)] == [200, 200, 200, 403]


def test_wait_ends_as_an_error_when_nobody_decides(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: wait, wait: 1s, at_deadline: release")
    say(upstream, streamed=False)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(office.client(), streamed=False)
    assert caught.value.code == "held_for_review"
    [waiting] = office.queue()
    assert expire(office.database) == 0
    assert waiting["at_deadline"] == "release"


def test_originals_are_shown_to_a_role_and_recorded(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: fallback, template: wait")
    say(upstream, streamed=False)
    ask(office.client(), streamed=False)
    [waiting] = office.queue()
    values = office.call("POST", f"/reviews/{waiting['id']}/reveal")["values"]
    assert list(values.values()) == ["ann@example.com"]
    office.call("POST", f"/reviews/{waiting['id']}/comment", {"comment": "Ask bob@example.com first."})
    [note] = office.call("GET", f"/reviews/{waiting['id']}")["comments"]
    assert note["text"].startswith("Ask [EMAIL_") or note["text"].startswith("Ask <EMAIL")


def test_what_cannot_be_held_is_not_shown(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: error")
    say(upstream, streamed=False)
    office.database.engine.dispose()
    with office.database.write() as tx:
        tx.conn.exec_driver_sql("ALTER TABLE reviews RENAME TO gone")
    with pytest.raises(openai.APIStatusError) as caught:
        ask(office.client(), streamed=False)
    assert caught.value.code == "reviews_unavailable"
    assert office.running.ends()[0]["verdict"] == "hold"


@pytest.mark.parametrize("background", [False, True])
def test_background_the_response_is_polled(open_office: Open, upstream: Upstream, background: bool) -> None:
    office = open_office("reply: background" if not background else "reply: error")
    upstream.default = lambda _request: reply(response(message("Short.")))
    client = office.client()

    def held() -> Any:
        said: Any = client.responses.create(model="gpt-test", input="Write to ann@example.com.", background=background)
        _until(lambda: bool(office.queue()))
        return said

    first = held()
    _until(lambda: client.responses.retrieve(first.id).status == "in_progress")
    found: Any = client.responses.retrieve(first.id)
    assert (found.status, found.output) == ("in_progress", [])
    office.call("POST", f"/reviews/{office.queue()[0]['id']}/edit", {"text": "Dear Ann,"})
    found = client.responses.retrieve(first.id)
    assert (found.id, found.status, found.output_text) == (first.id, "completed", "Dear Ann,")
    going_on: Any = client.responses.create(
        model="gpt-test", input="And?", previous_response_id=first.id, background=background
    )
    _until(lambda: bool(office.queue()))
    assert "Dear Ann," in str(upstream.received[-1].json["input"])
    office.call("POST", f"/reviews/{office.queue()[0]['id']}/reject", {})
    _until(lambda: client.responses.retrieve(going_on.id).status == "failed")
    assert client.responses.retrieve(going_on.id).error.code == "rejected_by_reviewer"  # type: ignore[union-attr]


@pytest.mark.parametrize("action", ["edit", "reject"])
def test_a_held_background_response_is_followed_to_its_decision(
    open_office: Open, upstream: Upstream, action: str
) -> None:
    office = open_office("reply: error")
    whole = response(message("Short."))
    upstream.default = lambda _request: stream({"type": "response.completed", "response": whole}, done=False)
    deciding = office.soon(action, {"text": "Dear Ann,"} if action == "edit" else {})
    client = office.client()
    events: Any = list(client.responses.create(model="gpt-test", input="x", background=True, stream=True))
    deciding.join()
    final = events[-1].response
    if action == "edit":
        assert (final.status, final.output_text) == ("completed", "Dear Ann,")
    else:
        assert (events[-1].type, final.error.code) == ("response.failed", "rejected_by_reviewer")
    assert "Short." not in str(events)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert list(client.responses.retrieve(final.id, stream=True)) == events
    assert len(upstream.received) == 1


def test_a_fallback_is_streamed_as_a_response(open_office: Open, upstream: Upstream) -> None:
    office = open_office("reply: fallback, template: wait")
    whole = response(message("Short."))
    upstream.default = lambda _request: stream({"type": "response.completed", "response": whole}, done=False)
    events: Any = list(office.client().responses.create(model="gpt-test", input="x", stream=True))
    assert events[0].type == "response.created"
    assert events[-1].response.output_text == "A person looks at this first."
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_stopped_automation_is_held_and_runs_again(open_office: Open, upstream: Upstream, streamed: bool) -> None:
    office = open_office("", "live")
    say(upstream, streamed)
    assert ask(office.client(), streamed) == ANSWER
    assert office.call("PUT", "/stops/drafting")["changed"]
    assert not office.call("PUT", "/stops/drafting")["changed"]
    assert office.call("GET", "/stops")["data"][0]["automation"] == "drafting"
    _until_stopped(office, streamed)
    [waiting, *_] = office.queue()
    assert (waiting["rule"], waiting["queue"]) == ("stopped", "stopped")
    assert office.call("GET", "/reviews?state=close")["error"]["param"] == "state"
    with pytest.raises(openai.PermissionDeniedError) as caught:
        office.client().embeddings.create(model="gpt-test", input="x")
    assert caught.value.code == "automation_stopped"
    assert office.call("DELETE", "/stops/drafting")["changed"]
    _until(lambda: _code(office, streamed) is None)
    assert ask(office.client(), streamed) == ANSWER


def test_a_stop_ends_a_live_stream_with_an_error(open_office: Open, upstream: Upstream) -> None:
    office = open_office("", "live")
    upstream.default = lambda _request: stream(*text_chunks("One", " two")[:-1], 5.0, done=False)
    said: Any = office.client().chat.completions.create(model="gpt-test", messages=ASK, stream=True)
    next(iter(said))
    office.call("PUT", "/stops/drafting")
    with pytest.raises(openai.APIError) as caught:
        list(said)
    assert caught.value.code == "automation_stopped"
    assert office.running.ends()[0]["error_code"] == "automation_stopped"


def _until_stopped(office: Office, streamed: bool) -> None:
    _until(lambda: _code(office, streamed) == "held_for_review")


def _code(office: Office, streamed: bool) -> str | None:
    try:
        ask(office.client(), streamed)
    except openai.APIError as error:
        return error.code
    return None


def _until(held: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not held() and time.monotonic() < deadline:
        time.sleep(0.01)


BY_TOOL = """reply: error}
tools: {default: allow, rules: [{tool: refund, at: called, action: hold, when: "arguments.amount > 100"}]"""


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_of_a_tool_is_held_by_its_arguments(open_office: Open, upstream: Upstream, streamed: bool) -> None:
    office = open_office(BY_TOOL)
    sure = "This answer is long enough to pass by its score alone."

    def call_with(amount: int) -> Any:
        function = {"name": "refund", "arguments": f'{{"amount": {amount}}}'}
        called = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
        parts = [chunk({"role": "assistant", "content": sure}), chunk(called), chunk({}, "tool_calls")]
        return stream(*parts) if streamed else reply(completion({"content": sure, **called}))

    upstream.scripts += [call_with(50), call_with(500)]
    with office.client() as client:
        assert ask(client, streamed) == sure
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, streamed)
    assert caught.value.code == "held_for_review"
    [waiting] = office.queue()
    assert waiting["rule"] == "tools.rules[0]"
    passed, end = office.running.ends(2)
    assert (passed["verdict"], passed["verdict_rule"]) == ("pass", "bands[0]")
    assert (end["verdict"], end["verdict_rule"], end["confidence"]) == ("hold", "tools.rules[0]", 1.0)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_audited_output_is_shown_at_once_and_looked_at_afterwards(
    open_office: Open, upstream: Upstream, streamed: bool
) -> None:
    office = open_office("", "live", AUDITED)
    say(upstream, streamed)
    assert ask(office.client(), streamed) == ANSWER
    end = office.running.ends()[0]
    assert (end["verdict"], end["audit"]["drawn"], end["audit"]["reason"]) == ("pass", True, "absent")
    _until(lambda: bool(office.queue()))
    [waiting] = office.queue()
    assert (waiting["kind"], waiting["queue"], waiting["call_id"]) == ("audit", "audits", end["call_id"])
    assert office.call("GET", f"/v1/holds/{waiting['id']}", key="sk-sluice-test")["error"]["code"] == "not_found"
    office.call("POST", f"/reviews/{waiting['id']}/reject", {"reason": "wrong_facts"})
    told = [event.body for _, event in unrelayed(office.database) if event.kind == "outcome"]
    assert {body["metric"]: body["value"] for body in told} == {"success": False, "override": True}
    assert {body["call_id"] for body in told} == {end["call_id"]}
