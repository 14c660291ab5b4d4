"""The page of runs: the queue in numbers, dead letters, actions that wait, and one run's story."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import MemoryData
from dashboard.queue import MemoryQueue
from dashboard.views.runs import bars
from tests.unit.dashboard.frames import TS, rows


def run(name: str, state: str, **more: Any) -> dict[str, Any]:
    shown = {"run_id": name, "automation": "triage", "state": state, "step_name": "classify", "attempts": 3}
    causes = {"cause": "timeout", "layer": "prompt"} if state == "dead" else {"cause": None, "layer": None}
    return {**shown, **causes, "retries": 2, "created_us": TS, "actions": [], **more}


UNKNOWN = {"name": "send_reply", "state": "unknown", "action_key": "act_1"}
QUEUES = {
    "busy": MemoryQueue([run("run_dead", "dead"), run("run_held", "held"), run("run_new", "queued")]),
    "dead": MemoryQueue([run("run_dead", "dead")]),
    "held": MemoryQueue([run("run_held", "held", actions=[{**UNKNOWN, "state": "held"}])]),
    "reviewed": MemoryQueue([run("run_held", "held")]),
    "unknown": MemoryQueue([run("run_odd", "dead", actions=[UNKNOWN])]),
    "quiet": MemoryQueue([]),
}
_COLUMNS = (
    "kind", "ts_us", "step", "call_id", "duration_ms", "status", "cause", "layer", "model_answered", "prompt",
    "policy", "policy_hash", "verdict", "cost_usd", "actor", "ids",
)  # fmt: skip
STORY = rows(
    {"kind": "run.queued", "ts_us": TS},
    {"kind": "call.end", "ts_us": TS + 90_000, "step": "classify", "call_id": "call_1", "duration_ms": 80.0,
     "status": "ok", "model_answered": "m-1", "prompt": "triage@3", "policy": "support", "cost_usd": 0.01},
    {"kind": "retrieval", "ts_us": TS + 95_000, "step": "look_up", "ids": "returns.1"},
    {"kind": "step.end", "ts_us": TS + 100_000, "step": "classify", "duration_ms": 95.0, "status": "ok"},
    columns=_COLUMNS,
)  # fmt: skip
STEPS = {"automation": "triage", "step": "classify", "step_kind": "prompt", "tries": 9, "runs": 8, "failed": 1}
STEPS |= {"timeouts": 1, "duplicates": 0, "p50_ms": 80.0, "p95_ms": 120.0, "p99_ms": 150.0}


def data() -> MemoryData:
    return MemoryData({"story": STORY, "steps": rows(STEPS)})


def runs_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - AppTest runs this function as a script of its own

    from dashboard.views import runs  # noqa: PLC0415
    from tests.unit.dashboard.test_runs_page import QUEUES, data  # noqa: PLC0415

    runs.show(QUEUES[case], data(), datetime(2026, 11, 22, tzinfo=UTC))


def shown(case: str, **query: str) -> AppTest:
    app = AppTest.from_function(runs_page, args=(case,), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def pressed(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()


def test_the_queue_in_numbers_and_its_steps() -> None:
    app = shown("busy")
    numbers = {metric.label: metric.value for metric in app.metric}
    assert (numbers["Dead letters"], numbers["Oldest waits"], numbers["Ended within 1 h"]) == ("1", "75 s", "4")
    assert any("classify" in str(frame.value) for frame in app.dataframe)


@pytest.mark.parametrize(
    ("case", "label", "done"),
    [
        ("dead", "Replay", ("run_dead", "replay", {"input": None})),
        ("unknown", "It happened", ("run_odd", "resolve", {"happened": True})),
        ("unknown", "Do it again", ("run_odd", "resolve", {"happened": False})),
    ],
)
def test_a_dead_letter_is_dealt_with(case: str, label: str, done: tuple[str, str, dict[str, Any]]) -> None:
    QUEUES[case].done.clear()
    pressed(shown(case), label)
    assert QUEUES[case].done == [done]


def test_a_dead_letter_gets_another_input_or_is_put_away_with_a_reason() -> None:
    queue = QUEUES["dead"]
    queue.done.clear()
    app = shown("dead")
    app.text_area[0].set_value('{"text": "mended"}').run()
    pressed(app, "Replay")
    app.text_input(key="reason-run_dead").set_value("sent by hand").run()
    pressed(app, "Put it away")
    assert queue.done == [
        ("run_dead", "replay", {"input": {"text": "mended"}}),
        ("run_dead", "discard", {"reason": "sent by hand"}),
    ]


def test_an_action_that_waits_is_allowed() -> None:
    QUEUES["held"].done.clear()
    pressed(shown("held", state="Waiting for a person"), "Allow the action")
    assert QUEUES["held"].done == [("run_held", "approve", {})]


def test_an_answer_that_waits_for_a_reviewer_is_not_decided_here() -> None:
    app = shown("reviewed", state="Waiting for a person")
    assert any("page Reviews" in block.value for block in app.info)
    assert "Allow the action" not in {button.label for button in app.button}


def test_what_a_search_should_have_found_is_taken_down() -> None:
    QUEUES["reviewed"].done.clear()
    app = shown("reviewed", state="Waiting for a person")
    app.text_input(key="gold-run_held").set_value("returns.2 shipping.1").run()
    pressed(app, "Take this down")
    assert QUEUES["reviewed"].done == [("run_held", "gold", {"ids": ["returns.2", "shipping.1"]})]


def test_texts_are_shown_only_when_asked_for() -> None:
    QUEUES["dead"].done.clear()
    app = shown("dead")
    assert not QUEUES["dead"].done
    pressed(app, "Show its texts")
    assert QUEUES["dead"].done == [("run_dead", "content", {})]
    assert any("ValueError" in block.value for block in app.code)


def test_a_run_that_only_the_record_knows_is_shown_and_leads_to_its_calls() -> None:
    app = shown("quiet", run="[x](https://evil.example)")
    assert app.subheader[0].value == r"Run \[x\](https⁠://evil.example)"
    assert any("/calls?range=2026-W39&run=%5Bx%5D" in each.value for each in app.caption)
    assert "/calls?call=call_1" in app.dataframe[0].value["call"].tolist()


def test_an_empty_queue_says_so() -> None:
    assert any("Nothing waits for anybody" in block.value for block in shown("quiet").success)


def test_a_run_is_drawn_from_its_first_step_on() -> None:
    timed = STORY[STORY["duration_ms"].notna()]
    drawn = bars(timed)
    assert list(drawn["what"]) == ["1. classify", "2. m-1"]
    assert list(drawn["start_ms"].round()) == [0.0, 5.0]
    assert list(drawn["end_ms"].round()) == [95.0, 85.0]
    assert list(drawn["label"]) == ["95.0 ms", "80.0 ms"]


def test_a_call_that_waits_for_a_reviewer_is_drawn_as_held() -> None:
    timed = STORY[STORY["kind"] == "call.end"].assign(status="refused", cause="held_for_review")
    assert list(bars(timed)["label"]) == ["80.0 ms, held"]
