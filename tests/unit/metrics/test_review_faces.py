"""A review in words and pictures: nothing is loaded, everything is escaped, every figure says how sure it is."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metrics.health.review.blocks import Grid, blocks
from metrics.health.review.faces import as_html, as_markdown, summary
from metrics.health.review.headlines import headlines
from metrics.health.review.standing import Figure, judged, wilson
from metrics.health.review.weeks import last_week, week_span, weeks_up_to

EVIL = "<script>alert(1)</script> [x](http://evil.example/a.png) | `b`"
WEEK_US = 7 * 86_400_000_000


def figure(value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 100}


def document(name: str = "triage") -> dict[str, Any]:
    now = {"success": figure(0.7, 0.6, 0.79), "latency_p95_s": figure(3.2)}
    made: dict[str, Any] = {
        "format": 2, "week": "2026-W47", "tz": "Europe/Berlin", "seq": 1234, "until_us": 1_795_993_200_000_000,
        "since_us": 1_795_993_200_000_000 - WEEK_US, "volume": {"runs": 100, "calls": 120, "simulated": 120},
        "inputs": {"checkpoint": {"size": 900, "time": "2026-11-22T06:00:00Z", "root": "cm9v"}, "snapshot": "ab" * 32},
        "scorecards": [
            {
                "automation": name, "registered": True, "owner": EVIL, "purpose": EVIL, "team": None, "runs": 100,
                "calls": 120, "figures": now, "before": {}, "saved_minutes": 90.0, "minutes_per_usd": None,
                "visible": [],
                "trend": {"2026-W46": {"success": figure(0.9, 0.8, 0.95)}, "2026-W47": now},
                "targets": [{"measure": "success", "at_least": 0.9, **figure(0.7, 0.6, 0.79), "state": "missed"}],
                "rollback": [
                    {"measure": "success", "at_least": 0.8, "over": "7d", "action": "stop", **figure(0.7, 0.6, 0.79),
                     "state": "missed"}
                ],
            }
        ],
        "movers": [
            {"automation": name, "measure": "success", "step": "", "worse": True, "sentence": EVIL, "cause": None,
             "reason": None, "since_us": 0, "told": False}
        ],
        "layers": [{"automation": name, "layer": "prompt", "runs": 7, "reason": "changed or rejected by a human"}],
        "changes": [{"automation": None, "sentence": EVIL}],
        "runs": [
            {"run_id": EVIL, "automation": name, "ts_us": 1_795_900_000_000_000, "end_us": 0, "calls": 1, "failed": 0,
             "cost_usd": None, "success": False, "overridden": None, "outcome_source": "human",
             "layer": "prompt", "reason": "changed or rejected by a human"}
        ],
        "holds": [
            {"review_id": "rev_1", "automation": name, "call_id": "call_1", "opened_ts_us": 1_795_900_000_000_000,
             "deadline_us": 1_795_950_000_000_000}
        ],
        "cost": [{"automation": name, "unpriced": 2, "total": 0.5, "before": None}],
        "redactions": [["request EMAIL_ADDRESS", 3]],
        "events": [{"kind": "policy.activated", "automation": None, "n": 1, "first_ts_us": 1, "last_ts_us": 1}],
        "restated": [
            {"week": "2026-W46", "revision": 1, "automation": name, "objective": "success", "then": 0.9, "now": 0.8}
        ],
        "agenda": [{"item_id": "item_1", "before": 0.9, "after": 0.7}],
    }  # fmt: skip
    made["headlines"] = headlines(made)
    return made


ITEM = {
    "item_id": "item_1", "kind": "action", "text": EVIL, "owner": "ann", "due": "2026-12-01", "state": "open",
    "week": "2026-W46", "automation": "triage", "measure": "success",
}  # fmt: skip


def test_a_week_without_calls_says_so_and_not_that_nothing_moved() -> None:
    silent = {**document(), "volume": {}, "movers": [], "scorecards": [], "holds": []}
    assert headlines(silent) == ["No call was recorded in this week."]


def test_html_is_one_file_that_loads_nothing_and_runs_nothing() -> None:
    page = as_html(document(), "d" * 64, [ITEM])
    assert "<script" not in page
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*['\"]?https?:", page)
    assert page.count("<svg") == 1
    assert "Frozen at record 1,234" in page
    assert "d" * 64 in page
    assert "invented" in page


def test_markdown_has_no_markup_of_others() -> None:
    page = as_markdown(document(), "d" * 64, [ITEM])
    assert "<script" not in page
    assert not re.search(r"(?<!\\)\]\(http", page)
    assert "data:image/svg+xml;base64," in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert tables
    assert {re.sub(r"\\\|", "", line).count("|") for line in tables if "alert" in line} <= {5, 7, 9}


def test_an_action_shows_its_measure_then_and_now() -> None:
    grids = [block for block in blocks(document(), [ITEM]) if isinstance(block, Grid)]
    assert grids[0].rows[0][-1] == "task success: 90.0% → 70.0%"


def test_headlines_begin_with_what_calls_for_going_back() -> None:
    said = document()["headlines"]
    assert said[0] == "triage: task success is 70.0% (at least 80.0% over 7d): it is to be stopped."
    assert "triage misses its targets: task success 70.0% (at least 90.0%)." in said
    assert "1 held output waited past its deadline when the week ended." in said
    assert summary(document()).splitlines()[1] == f"• {said[0]}"


def test_a_bound_is_missed_only_where_chance_does_not_explain_it() -> None:
    assert judged(wilson(60, 100), 0.8, None) == "missed"
    assert judged(wilson(78, 100), 0.8, None) == "unsure"
    assert judged(wilson(90, 100), 0.8, None) == "kept"
    assert judged(Figure(9.0, n=5), None, 4.0) == "unsure"
    assert judged(Figure(9.0, n=50), None, 4.0) == "missed"
    assert judged(None, 0.8, None) == "unknown"


@given(
    year=st.integers(2020, 2040), week=st.integers(1, 52), tz=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"])
)
def test_weeks_follow_each_other_without_gap(year: int, week: int, tz: str) -> None:
    name = f"{year}-W{week:02d}"
    before, here = (week_span(each, tz) for each in weeks_up_to(name, 2, tz))
    assert before.until_us == here.since_us
    assert 7 * 24 - 1 <= (here.until_us - here.since_us) / 3.6e9 <= 7 * 24 + 1
    assert last_week(here.until_us, tz) == name
