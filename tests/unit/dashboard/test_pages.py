"""The pages as a script run shows them: figures, banners, filters in the URL, empty states."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import slice_s, weeks_of
from dashboard.views.calls import timeline
from dashboard.views.parts import milliseconds, money, plain, policy_problems
from policy.problems import Problem
from tests.unit.dashboard.frames import DESKS

NOW_US = 1_790_000_000_000_000


def overview_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - AppTest runs this function as a script of its own

    from dashboard.views import overview  # noqa: PLC0415
    from tests.unit.dashboard.frames import CASES  # noqa: PLC0415

    overview.show(CASES[case](), datetime(2026, 11, 22, tzinfo=UTC))


def health_page(which: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415
    from importlib import import_module  # noqa: PLC0415

    from dashboard.weekly import MemoryWeekly  # noqa: PLC0415
    from tests.unit.dashboard.frames import CASES  # noqa: PLC0415
    from tests.unit.metrics.test_review_faces import document  # noqa: PLC0415

    page, case = which.split()
    desk = [MemoryWeekly({"2026-W47": document()})] if page == "automations" else []
    import_module(f"dashboard.views.{page}").show(*desk, CASES[case](), datetime(2026, 11, 22, tzinfo=UTC))


def calls_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from dashboard.views import calls  # noqa: PLC0415
    from tests.unit.dashboard.frames import CASES  # noqa: PLC0415

    calls.show(CASES[case](), datetime(2026, 11, 22, tzinfo=UTC))


def policies_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from dashboard.views import policies  # noqa: PLC0415
    from tests.unit.dashboard.frames import CASES  # noqa: PLC0415

    policies.show(CASES[case](), datetime(2026, 11, 22, tzinfo=UTC))


def certificates_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from dashboard.views import certificates  # noqa: PLC0415
    from tests.unit.dashboard.frames import CASES  # noqa: PLC0415

    certificates.show(CASES[case](), datetime(2026, 11, 22, tzinfo=UTC))


def reviews_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from dashboard.views import reviews  # noqa: PLC0415
    from tests.unit.dashboard.frames import DESKS  # noqa: PLC0415

    reviews.show(DESKS[case], datetime(2026, 11, 22, tzinfo=UTC))


def run(page: Any, case: str, **query: str) -> AppTest:
    app = AppTest.from_function(page, args=(case,), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def test_overview_shows_the_figures_to_read_first() -> None:
    app = run(overview_page, "busy")
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Model calls"] == "40"
    assert shown["Answered"] == "90.0%"
    assert (shown["Held for review"], shown["Refused"], shown["Errors"]) == ("4", "1", "1")
    assert any("2 of their callers got 423" in caption.value for caption in app.caption)
    assert shown["Cost"] == "$1.25"
    assert any("2 answered calls without a known price" in caption.value for caption in app.caption)


@pytest.mark.parametrize("name", ["automations", "quality", "cost", "latency"])
def test_health_pages_show_figures_and_say_what_to_do_without_any(name: str) -> None:
    app = run(health_page, f"{name} busy")
    assert not app.info or "Nothing moved" in app.info[0].value
    assert len(app.dataframe) >= 1
    empty = run(health_page, f"{name} empty")
    assert empty.info
    assert not empty.dataframe


def test_pages_over_weeks_begin_with_the_week_that_the_review_is_about() -> None:
    app = run(health_page, "cost busy")
    assert app.selectbox[0].value == "Last week"
    assert run(health_page, "cost empty").selectbox[0].value == "This week"
    for chosen in ("This week", "Last 4 weeks", "Last 12 weeks"):
        app.selectbox[0].set_value(chosen).run()
        assert (app.selectbox[0].value, app.query_params["weeks"]) == (chosen, chosen)
    app.selectbox[0].set_value("Last week").run()
    assert "weeks" not in app.query_params


def test_an_empty_page_leads_to_a_longer_range() -> None:
    app = run(health_page, "cost empty")
    app.button[0].click().run()
    assert app.selectbox[0].value == "Last 12 weeks"
    assert not app.button


def test_quality_names_the_layer_that_costs_most_and_leads_to_the_runs() -> None:
    app = run(health_page, "quality busy")
    assert any("prompt, 2 of 3 failed runs" in line.value for line in app.markdown)
    assert any("run=run_9" in str(table.value) for table in app.dataframe)


def test_cost_says_what_came_back() -> None:
    app = run(health_page, "cost busy")
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {
        "Spent": "$1.25", "Per successful output": "$0.0700", "Time saved": "4.2 h", "Return": "3 h"
    }  # fmt: skip


def test_a_week_without_a_success_has_no_cost_for_one() -> None:
    app = run(health_page, "cost unsuccessful")
    assert {metric.label: metric.value for metric in app.metric}["Per successful output"] == "–"


def test_names_in_sentences_are_no_markup() -> None:
    assert plain("a [link](x) `b`\n\n# **c** _d_ e_f :red[g] - h") == (
        r"a \[link\](x) \`b\` # \*\*c\*\* \_d\_ e_f \:red\[g\] - h"
    )
    assert [plain(each) for each in ("# a", "- b", "+ c", "a: b")] == [r"\# a", r"\- b", r"\+ c", "a: b"]
    assert plain("https://x or www.x") == "https\u2060://x or www\u2060.x"  # Streamlit would make links of both


@pytest.mark.parametrize(
    ("day", "hours"), [(datetime(2026, 3, 30, 12, tzinfo=UTC), 167), (datetime(2026, 10, 26, 12, tzinfo=UTC), 169)]
)
def test_weeks_begin_on_monday_in_the_reports_own_zone(day: datetime, hours: int) -> None:
    week = weeks_of(1, day, "Europe/Berlin", ago=1)
    assert (week.until_us - week.since_us) == hours * 3_600_000_000
    monday = datetime.fromtimestamp(week.since_us / 1e6, ZoneInfo("Europe/Berlin"))
    assert (monday.isoweekday(), monday.hour) == (1, 0)
    assert weeks_of(1, day, "Europe/Berlin").since_us == week.until_us


def test_simulated_answers_are_said_on_the_page() -> None:
    assert any("simulated provider" in warning.value for warning in run(overview_page, "busy").warning)
    assert not run(overview_page, "real").warning


def test_a_broken_policy_folder_is_said_with_its_line() -> None:
    errors = run(overview_page, "broken-policy").error
    assert any("support.yaml:7:3" in error.value for error in errors)


def test_an_empty_range_says_what_to_do() -> None:
    app = run(overview_page, "empty")
    assert any("sluice keys create" in info.value for info in app.info)


def test_the_choice_of_range_and_automation_lives_in_the_url() -> None:
    app = run(overview_page, "busy", range="Last 7 days", automation="triage")
    assert app.selectbox[0].value == "Last 7 days"
    assert app.selectbox[1].value == "triage"


def test_a_call_is_shown_in_full_by_its_address() -> None:
    app = run(calls_page, "busy", call="call_1")
    assert any("call_1" in heading.value for heading in app.subheader)
    shown = [text.value for text in app.text]
    assert "ok (200)" in shown
    assert "support@abc123abc123" in shown


def test_a_call_of_nobody_here_is_a_sentence() -> None:
    app = run(calls_page, "no-such-call", call="call_x")
    assert any("no call call_x" in warning.value for warning in app.warning)


def test_stages_stand_one_after_another() -> None:
    frame = timeline({"admit_us": 100, "clear_us": 900, "invoke_us": None, "record_us": 1000})
    assert list(frame["stage"]) == ["admit", "clear", "record"]
    assert list(frame["start_ms"]) == pytest.approx([0.0, 0.1, 1.0])


@pytest.mark.parametrize(
    ("usd", "unpriced", "text"),
    [
        (None, 3, "unknown"),
        (None, 0, "$0"),
        (0.0, 0, "$0"),
        (0.000012, 0, "$0.000012"),
        (0.0084, 0, "$0.0084"),
        (12.5, 0, "$12.50"),
        (12.5, 1, "$12.50 +?"),
    ],
)
def test_an_unknown_price_is_never_shown_as_nothing(usd: float | None, unpriced: int, text: str) -> None:
    assert money(usd, unpriced) == text


def test_numbers_read_well() -> None:
    assert milliseconds(12.34) == "12.3 ms"
    assert milliseconds(829.31) == "829 ms"
    assert milliseconds(2500) == "2.50 s"
    assert milliseconds(None) == milliseconds(float("nan")) == "–"
    assert (slice_s(1), slice_s(24), slice_s(168)) == (60, 3600, 86400)


def test_policy_problems_may_be_missing() -> None:
    assert policy_problems({}) == []
    assert pd.DataFrame().empty


@pytest.mark.parametrize("path", ["redaction.names", ""])
def test_policy_problems_read_as_the_check_says_them(path: str) -> None:
    problem = Problem("default.yaml", 4, 1, path, "unknown key; did you mean `names`?")
    assert policy_problems({"policy": {"problems": [asdict(problem)]}}) == [str(problem)]


def test_policies_shows_what_is_in_force_on_trial_and_spent() -> None:
    app = run(policies_page, "busy")
    tables = "\n".join(table.value.to_string() for table in app.dataframe)
    for words in (
        "support",
        "0123456789ab with local changes",
        "limits.requests",
        "team:support",
        "$1.25",
        "measures hold",
        "51",
    ):
        assert words in tables
    assert any("openai/gpt-5: open for 9 s, 5 failures in a row" in warning.value for warning in app.warning)
    assert any("of \\$2.00 a day" in warning.value and "80% are spent" in warning.value for warning in app.warning)


def test_policies_says_when_there_is_nothing() -> None:
    said = [caption.value for caption in run(policies_page, "empty").caption]
    assert any("No budget governs" in each for each in said)
    assert any("No rule under" in each for each in said)
    assert any("circuit breakers are closed" in each for each in said)
    assert any("--save" in each for each in said)


def test_a_review_is_shown_beside_its_request_and_approved() -> None:
    desk = DESKS["one"]
    app = run(reviews_page, "one")
    shown = " ".join(str(block.proto.body) for block in app.get("html"))
    assert "<mark>[EMAIL_abcdef]</mark>" in shown
    assert "&lt;b&gt;" in shown
    next(button for button in app.button if button.label == "Approve").click().run()
    assert desk.done[-1][:2] == ("rev_1", "approve")
    assert "rev_2" in " ".join(str(caption.value) for caption in app.caption)


def test_an_edit_shows_its_difference_before_it_is_released() -> None:
    app = run(reviews_page, "edit", review="rev_1")
    app.text_area[0].set_value("Dear [EMAIL_abcdef]").run()
    assert any("+Dear [EMAIL_abcdef]" in block.value for block in app.code)
    assert next(button for button in app.button if button.label == "Approve").disabled
    next(button for button in app.button if button.label == "Release edit").click().run()
    assert DESKS["edit"].done[-1] == (
        "rev_1",
        "edit",
        {"reason": None, "comment": None, "text": "Dear [EMAIL_abcdef]", "choice": 0, "drop_calls": False},
    )


def test_a_choice_is_edited_and_its_tool_calls_stay_or_go() -> None:
    app = run(reviews_page, "choices", review="rev_1")
    app.selectbox("choice-rev_1").set_value(1).run()
    app.text_area[0].set_value("Too").run()
    app.checkbox("drop-rev_1").check().run()
    next(button for button in app.button if button.label == "Release edit").click().run()
    [(_, _, told)] = DESKS["choices"].done
    assert (told["text"], told["choice"], told["drop_calls"]) == ("Too", 1, True)


def test_a_review_is_taken_given_to_a_colleague_and_back_to_all() -> None:
    app = run(reviews_page, "handed", review="rev_1")
    for to, press in (("", "assign-rev_1"), ("ben@example.com", "give-rev_1"), (" ", "give-rev_1")):
        app.text_input("to-rev_1").set_value(to).run()
        app.button(press).click().run()
    assert [told["to"] for _, _, told in DESKS["handed"].done] == ["me", "ben@example.com", None]


def test_an_automation_is_stopped_and_started_with_a_button() -> None:
    app = run(reviews_page, "stop")
    app.text_input("to-stop").set_value("triage").run()
    next(button for button in app.button if button.label == "Stop it").click().run()
    assert DESKS["stop"].stopped == ["triage"]
    assert any("triage" in error.value for error in app.error)
    next(button for button in app.button if button.label == "Start again").click().run()
    assert DESKS["stop"].stopped == []


def test_an_empty_queue_says_so() -> None:
    assert any("Nothing waits" in block.value for block in run(reviews_page, "nothing").success)


def test_a_certificate_shows_its_promise_and_whether_it_still_holds() -> None:
    app = run(certificates_page, "busy")
    assert "In force" in app.success[0].value
    assert "at most 5.0% of them are wrong" in app.success[0].value
    assert [each.value for each in app.metric][:3] == ["40%", "300", "2 of 2"]
    said = " ".join(each.value for each in app.caption)
    assert "3 audits of outputs that passed, 1 of them errors" in said
    assert "Nothing is certified" in run(certificates_page, "empty").info[0].value


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("withdrawn", ["Withdrawn", "its audits showed too many errors", "only a new certificate"]),
        ("by-hand", ["Withdrawn", "by hand of usr_1"]),
        ("expired", ["Expired"]),
        ("unused", ["Unused: no policy has these scorers"]),
    ],
)
def test_a_certificate_that_is_not_in_force_says_that_nothing_passes_by_it(case: str, words: list[str]) -> None:
    app = run(certificates_page, case)
    assert not app.success
    [said] = app.error if case in ("withdrawn", "by-hand") else app.warning
    for word in (*words, "nothing passes by it now"):
        assert word in said.value
    assert "are wrong" not in said.value
