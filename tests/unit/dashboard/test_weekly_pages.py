"""The pages of the week: a review is drawn whole, actions are entered and closed, other people's text stays text."""

from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from dashboard.views.parts import csv_text
from dashboard.weekly import MemoryWeekly
from tests.unit.metrics.test_review_faces import document


def review_page() -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - AppTest runs this function as a script of its own

    import streamlit as st  # noqa: PLC0415

    from dashboard.views import weekly  # noqa: PLC0415

    weekly.show(st.session_state["desk"], datetime(2026, 11, 24, tzinfo=UTC))


def leverage_page() -> None:
    import streamlit as st  # noqa: PLC0415

    from dashboard.views import leverage  # noqa: PLC0415

    leverage.show(st.session_state["desk"])


def settings_page() -> None:
    import streamlit as st  # noqa: PLC0415

    from dashboard.data import MemoryData  # noqa: PLC0415
    from dashboard.views import settings  # noqa: PLC0415

    settings.show(st.session_state["desk"], MemoryData({}, {"phase": "running"}))


def run(page: Any, desk: MemoryWeekly, **query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=30)
    app.session_state["desk"] = desk
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def test_without_a_review_the_page_says_what_to_do_and_does_it() -> None:
    desk = MemoryWeekly({})
    app = run(review_page, desk)
    assert "Freezing 2026-W47" in app.info[0].value
    app.button[0].click().run()
    assert desk.wanted == ["2026-W47"]


def test_who_may_only_look_is_offered_nothing_that_the_gateway_would_refuse() -> None:
    for documents in ({}, {"2026-W47": document()}):
        app = run(review_page, MemoryWeekly(dict(documents), may_write=False))
        assert [each.label for each in app.button] == []
        assert any("needs the role" in each.value for each in app.caption)


def test_a_review_is_drawn_with_everything_on_its_agenda() -> None:
    app = run(review_page, MemoryWeekly({"2026-W46": document(), "2026-W47": document()}))
    headings = [each.value for each in (*app.title, *app.header)]
    assert headings[0] == "Automation health, week 2026-W47"
    assert {"Headlines", "What moved", "Where failures lie", "Runs to read", "Cost"} <= set(headings)
    assert "invented" in app.warning[0].value
    assert app.selectbox[0].value == "2026-W47.1"
    assert not [each for each in app.markdown if "<script" in each.value.replace(r"\<", "")]


def test_of_many_automations_those_are_shown_that_moved_or_miss_a_target() -> None:
    made = document()
    (card,) = made["scorecards"]
    calm = [{**card, "automation": f"calm-{n}", "targets": [], "rollback": []} for n in range(200)]
    desk = MemoryWeekly({"2026-W47": {**made, "scorecards": [card, *calm]}})
    app = run(review_page, desk)
    assert [each.value for each in app.subheader if each.value.startswith(("triage", "calm"))] == ["triage"]
    app = run(review_page, desk, automation="calm-7")
    assert [each.value for each in app.subheader if each.value.startswith(("triage", "calm"))] == ["calm-7"]


def test_a_deep_link_opens_its_week() -> None:
    app = run(review_page, MemoryWeekly({"2026-W46": document(), "2026-W47": document()}), week="2026-W46")
    assert app.selectbox[0].value == "2026-W46.1"
    assert "2026-W46.1" in app.query_params["week"]


def test_an_action_is_entered_and_closed() -> None:
    desk = MemoryWeekly({"2026-W47": document()})
    app = run(review_page, desk)
    app.text_input[0].set_value("Go back to version 4")
    next(each for each in app.button if each.label == "Enter").click().run()
    assert "Owner" in app.error[0].value
    assert app.text_input[0].value == "Go back to version 4", "what was typed outlives what is missing"
    app.text_input[1].set_value("ann")
    next(each for each in app.button if each.label == "Enter").click().run()
    assert app.text_input[0].value == ""
    assert [(each["text"], each["owner"], each["state"]) for each in desk.entered] == [
        ("Go back to version 4", "ann", "open")
    ]
    next(each for each in app.button if each.label == "Done").click().run()
    assert desk.entered[0]["state"] == "done"


def test_workflows_are_ranked_and_an_empty_ranking_says_what_to_do() -> None:
    assert "stage: candidate" in run(leverage_page, MemoryWeekly({})).info[0].value
    grades = {"runs_per_week": 300, "determinism": 5, "measurability": 5, "ease_of_verification": 5, "ambiguity": 1}
    rank = {"automation": "invoices", "stage": "candidate", "hours": 35.0, "fit": 1.0, "score": 35.0, "mend": []}
    desk = MemoryWeekly({}, registered={"automations": [], "leverage": [{**rank, "grades": grades}]})
    assert run(leverage_page, desk).dataframe[0].value["workflow"].tolist() == ["invoices"]


def test_settings_are_searched_by_the_url() -> None:
    known = [
        {"name": name, "value": "1", "source": "default", "purpose": ""} for name in ("SLUICE_PORT", "SLUICE_HOST")
    ]
    app = run(settings_page, MemoryWeekly({}, values=known), search="port")
    assert app.dataframe[0].value["name"].tolist() == ["SLUICE_PORT"]


def test_a_cell_never_becomes_a_formula() -> None:
    text = csv_text(pd.DataFrame({"=a": ["=1+1", "plain", "@x"], "n": [-1, 2, 3]}))
    assert text.splitlines() == ["'=a,n", "'=1+1,-1", "plain,2", "'@x,3"]
