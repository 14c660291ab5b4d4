"""Edits of reviewers: the caller's own values come back in the shape that its program reads, whatever they hold."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.control.database import Database, open_database
from gateway.control.errors import InvalidInput
from gateway.control.identity.bootstrap import bootstrap
from gateway.control.identity.roles import Identity
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.control.reviews import CONTENT, Review, open_review
from gateway.holds.reviewing import Remarks, ReviewDesk
from gateway.holds.texts import REVIEWS, Kept, ReviewTexts
from gateway.redactors import CompiledRedactors
from gateway.sealer import Sealer
from gateway.wire import said
from metrics.record.master import MasterKey
from policy.load import load_tree
from redaction.detect import NoDetector
from tests.running_gateway import write_policies

ANN = Identity("usr_ann", "acme", frozenset({"reviewer"}))
MARK = "[PERSON_x7k2qd]"
# What breaks JSON when it is put in as it stands, and much else.
VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40) | st.text('"\\\n\t{}[],: a', min_size=1)
TEXTS = st.lists(st.sampled_from(["Dear ", MARK, '"quoted" ', "back\\slash", "\n", "{", "]", "ä", ", "]), max_size=6)
SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
LISTED = {"type": "array", "items": {"type": "string"}}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewDesk]:
    folder = tmp_path_factory.mktemp("desk")
    database = open_database(f"sqlite:///{folder}/control.db")
    upgrade(database)
    bootstrap(database, None)
    ensure_tenant(database, "acme")
    snapshot = load_tree(write_policies(folder / "policies", "http://127.0.0.1:9/v1"))
    redactors = CompiledRedactors(lambda tenant: tenant.encode().ljust(32, b"."), lambda _names: NoDetector())
    texts = ReviewTexts(database, Sealer(MasterKey(b"m" * 32), REVIEWS))
    yield ReviewDesk(texts, lambda: snapshot, redactors)
    database.close()


def chat(schema: Any) -> tuple[str, Any, Any]:
    request: dict[str, Any] = {"messages": [{"role": "user", "content": f"Write to {MARK}."}]}
    if schema is not None:
        request["response_format"] = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    choice = {"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}
    return "chat.completions", request, {"id": "c", "object": "chat.completion", "choices": [choice]}


def response(schema: Any) -> tuple[str, Any, Any]:
    request: dict[str, Any] = {"input": [{"role": "user", "content": f"Write to {MARK}."}]}
    if schema is not None:
        request["text"] = {"format": {"type": "json_schema", "name": "a", "schema": schema}}
    part = {"type": "output_text", "text": "{}", "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return "responses", request, {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}


def opened(desk: ReviewDesk, asked: tuple[str, Any, Any], values: dict[str, str]) -> str:
    """Open a review of what was asked; the answer says little."""
    database: Database = desk.database
    endpoint, request, answer = asked
    review = Review(
        database.new_id("rev"), "acme", "hold", "leads", "drafting", "call_1", None, None, "key_1", endpoint,
        "structured@abc", "bands[0]", 0.4, 0.6, self_approval=False, at_deadline="reject",
        deadline_us=database.clock_us() + 3_600_000_000, keep_days=30,
    )  # fmt: skip
    kept = Kept(request, answer, None, values, ["acme", "support", "drafting", "test", None], [])
    open_review(database, review, desk.texts.seal(review, CONTENT, kept))
    return review.review_id


def edited(desk: ReviewDesk, asked: tuple[str, Any, Any], values: dict[str, str], text: str) -> str:
    """Release an edit; give what its caller's program reads."""
    review_id = opened(desk, asked, values)
    review = asyncio.run(desk.decide(ANN, review_id, "edited", Remarks(text=text)))
    shown = desk.output(review)
    assert shown is not None
    return said.texts(shown)[0]


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("asked", [chat, response])
@settings(max_examples=25)
@given(value=VALUES, parts=TEXTS)
@example(value='O"Hara\\', parts=[MARK])
def test_json_that_a_reviewer_wrote_stays_json_with_the_callers_own_values(
    desk: ReviewDesk, asked: Any, listed: bool, value: str, parts: list[str]
) -> None:
    text = "".join(parts)
    schema, wrote = (LISTED, [text, "x"]) if listed else (SCHEMA, {"to": text})
    shown = json.loads(edited(desk, asked(schema), {MARK: value}, json.dumps(wrote)))
    own = text.replace(MARK, value)
    assert shown == ([own, "x"] if listed else {"to": own})


@pytest.mark.parametrize("asked", [chat, response])
@settings(max_examples=25)
@given(value=VALUES)
def test_prose_that_a_reviewer_wrote_has_the_callers_own_values_as_they_are(
    desk: ReviewDesk, asked: Any, value: str
) -> None:
    assert edited(desk, asked(None), {MARK: value}, f'Dear {MARK}, "yes".') == f'Dear {value}, "yes".'


def test_an_edit_whose_restored_values_break_the_schema_is_refused(desk: ReviewDesk) -> None:
    short = {"type": "object", "properties": {"to": {"type": "string", "maxLength": 16}}}
    with pytest.raises(InvalidInput, match="to breaks `maxLength`") as caught:
        edited(desk, chat(short), {MARK: "Ann-Katrin von der Recke"}, json.dumps({"to": MARK}))
    assert "Recke" not in str(caught.value)


def test_an_edit_with_a_placeholder_of_another_call_is_refused(desk: ReviewDesk) -> None:
    with pytest.raises(InvalidInput, match=r"\[PERSON_aaaaaa\] stands for nothing in this review"):
        edited(desk, chat(None), {MARK: "Ann"}, f"Dear {MARK} and [PERSON_aaaaaa],")


@pytest.mark.parametrize("asked", [chat, response])
def test_values_come_back_in_links_of_the_caller_and_in_no_others(desk: ReviewDesk, asked: Any) -> None:
    endpoint, request, answer = asked(None)
    for said_by, back in (("user", True), ("assistant", False)):
        told = request.get("messages") or request["input"]
        told[0] = {"role": said_by, "content": f"See https://acme.example/?to={MARK} for more."}
        text = edited(desk, (endpoint, request, answer), {MARK: "ann"}, f"Go to https://acme.example/?to={MARK} now.")
        assert ("to=ann " in text) is back
