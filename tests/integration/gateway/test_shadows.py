"""Shadow copies: asked beside the call, seen by nobody, charged to nobody, compared in the ledger."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from gateway.errors import UpstreamDown
from gateway.providers.scripted import ScriptedReply, json_reply, stream_reply
from metrics.record.events import Event
from tests.e2e.wire import chunk, completion
from tests.integration.gateway.test_policy_blocks import World, answer
from tests.integration.gateway.test_replay import ledger
from tests.unit.gateway.making import Client, snapshot

SHADOW = """
routing:
  rules:
    - candidates: [{model: gpt-test}]
      shadow: {model: second/gpt-test, share: SHARE}
budget: {rules: [{period: day, usd: 1}]}
"""


def world(tmp_path: Path, *replies: Any, share: str = "1.0") -> World:
    return World(snapshot(tmp_path / "policies", routing=SHADOW.replace("SHARE", share)), *replies)


def ask(made: World, **body: Any) -> Client:
    async def both() -> Client:
        client = await made.asking(body)
        await asyncio.gather(*made.pipeline.shadows.under_way)
        return client

    return asyncio.run(both())


def copies(made: World) -> list[Event]:
    return [event for event in made.journal.events if event.kind == "call.shadow"]


def said(text: str) -> ScriptedReply:
    return answer(content=text)


def test_a_copy_goes_out_redacted_and_nobody_sees_its_answer(tmp_path: Path) -> None:
    made = world(tmp_path, said("the first answer"), said("the second answer of eve@example.com"))
    client = ask(made, messages=[{"role": "user", "content": "Write to ada@example.com"}])
    assert client.status == 200
    assert b"second" not in client.body
    assert made.sent(0)["messages"] == made.sent(1)["messages"]
    assert b"ada@example.com" not in (made.provider.sent[1].body or b"")
    (copy,) = copies(made)
    body, (end,) = copy.body, made.ends
    assert (copy.event_id, body["call_id"], body["outcome"]) == (f"{end['call_id']}.s", end["call_id"], "ok")
    assert (body["same_text"], body["same_tools"], body["entities"]) == (False, True, {"EMAIL_ADDRESS": 1})
    assert 0.4 < body["word_overlap"] < 0.8
    assert body["cost_usd"] > 0
    assert end["route"]["shadow"] == "second/gpt-test"
    assert len(end["attempts"]) == 1
    assert [charge[2] for charge in end["charges"]] == [round(end["cost_usd"] * 1e9)]
    (sealed,) = (str(kept and kept.fields) for event, kept in made.journal.committed if event.kind == "call.shadow")
    assert "the second answer" in sealed
    assert "eve@example.com" not in sealed


def test_a_streamed_call_is_copied_whole(tmp_path: Path) -> None:
    events = [chunk({"role": "assistant", "content": "same"}), chunk({}, finish="stop")]
    made = world(tmp_path, stream_reply(*events), said("same"))
    assert ask(made, stream=True).status == 200
    assert "stream" not in made.sent(1)
    assert "stream_options" not in made.sent(1)
    assert copies(made)[0].body["same_text"] is True


def test_a_fault_of_the_shadow_is_only_recorded(tmp_path: Path) -> None:
    made = world(tmp_path, said("x"), UpstreamDown("gone"), said("y"), json_reply({"error": {"message": "no"}}, 500))
    assert (ask(made).status, ask(made).status) == (200, 200)
    assert [copy.body["outcome"] for copy in copies(made)] == ["error", "error"]
    assert all(copy.body["error_code"] for copy in copies(made))


def test_copies_beyond_the_limit_are_left_out_and_a_stop_leaves_a_record(tmp_path: Path) -> None:
    made = world(tmp_path, said("x"), said("y"))

    async def scene() -> None:
        waiting = {asyncio.create_task(asyncio.sleep(60)) for _ in range(32)}
        made.pipeline.shadows.under_way.update(waiting)
        await made.asking({})
        await asyncio.sleep(0.01)
        await made.pipeline.shadows.close()

    asyncio.run(scene())
    assert copies(made)[0].body["error_code"] == "too_many_copies"


def test_the_share_is_one_of_runs_and_a_failed_call_has_no_copy(tmp_path: Path) -> None:
    made = world(tmp_path, *(said("x") for _ in range(60)), share="0.5")

    async def all_of_them() -> None:
        for number in range(30):
            await made.asking({}, x_sluice_run_id=f"run-{number}")
        await asyncio.gather(*made.pipeline.shadows.under_way)

    asyncio.run(all_of_them())
    assert 5 < len(copies(made)) < 25
    failed = world(tmp_path / "failed", json_reply({"error": {"message": "no", "type": "x", "code": "y"}}, 400))
    assert ask(failed).status == 400
    assert copies(failed) == []


def test_the_ledger_compares(tmp_path: Path) -> None:
    made = world(tmp_path, said("one two three"), said("one two four"), answer(), json_reply(completion(), 500))
    ask(made)
    ask(made)
    with ledger(tmp_path / "data", made) as question:
        (row,) = question("shadows").dicts()
        assert row["shadow"] == "test/gpt-test"  # the scripted provider has one name
        assert (row["copies"], row["answered"], row["same_text"]) == (2, 1, 0.0)
        assert row["word_overlap"] == 0.6667
        assert row["least_alike"] == made.ends[0]["call_id"]
    assert orjson.dumps(row)
