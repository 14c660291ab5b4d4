"""Automations: how each does by week, what moved, and which change it follows."""

from datetime import datetime
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured, weeks_of
from dashboard.views.figures import figures
from dashboard.views.parts import csv_download, nothing_here, plain, weeks_and_automation
from dashboard.weekly import WeeklyDesk
from metrics.health.measures import Span
from metrics.health.movers import week_movement
from metrics.health.review.weeks import week_span
from metrics.health.sentences import change_sentence, mover_sentence, visible_sentence

TREND_WEEKS, REVIEWS_SHOWN = 12, 4
TRENDS = (
    ("success", "success", "Task success", ".0%"),
    ("override", "of_seen", "Human override of what was seen", ".0%"),
    ("cost_per_success", "total", "Cost per successful output (USD)", "$.4f"),
    ("latency", "total_p95", "95 % of calls take at most (ms)", ",.0f"),
)


def show(desk: WeeklyDesk, data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Automations")
    words, span, automation = weeks_and_automation(data, now)
    if figures(data, span).empty:
        nothing_here("weeks")
        return
    by_week(data, now, automation)
    what_moved(desk, data, span, automation)
    if words == "This week":
        so_far(data, span, automation)


def what_moved(desk: WeeklyDesk, data: Data, span: Span, automation: str | None) -> None:
    """Tell what the reviews of these weeks found, the newest first; each was compared once, when it was frozen."""
    st.subheader("What moved")
    newest = {each["week"]: each for each in reversed(desk.weeks()) if each["state"] == "frozen"}
    inside = [name for name in sorted(newest, reverse=True) if _overlap(week_span(name, data.tz), span)]
    for name in inside[:REVIEWS_SHOWN]:
        document = desk.one(name, newest[name]["revision"])["document"]
        found = [each for each in document["movers"] if automation in (None, each["automation"])]
        st.markdown(f"**{name}** [Review](/?{urlencode({'week': name})})")
        for mover in found:
            _mover(bool(mover["worse"]), str(mover["sentence"]))
        if not found:
            st.caption("Nothing moved further than chance explains.")
    if not inside:
        st.caption("No review of these weeks is frozen; the page Review does that.")


def so_far(data: Data, span: Span, automation: str | None) -> None:
    """Compare the week that runs when somebody asks: over millions of calls that takes seconds."""
    if not st.button("Compare this week so far with the four before", icon=":material/query_stats:"):
        return
    found = week_movement(data.ask, span, automation)
    for mover in found.movers:
        _mover(mover.worse, mover_sentence(mover, data.tz))
    if not found.movers:
        st.info("Nothing moved further than chance explains.", icon=":material/check:")
    if found.changes:
        listed = [plain(change_sentence(change, data.tz)) for change in found.changes]
        st.markdown("**Changes of this week**\n" + "\n".join(f"- {each}" for each in listed))
    with st.expander("What would have been seen"):
        seen = [plain(visible_sentence(subject, size)) for subject, size in found.visible.items()]
        st.markdown("\n".join(f"- {each}" for each in seen) or "There is too little to compare yet.")


def _mover(worse: bool, sentence: str) -> None:
    sign = ":material/warning:" if worse else ":material/check_circle:"
    (st.error if worse else st.success)(plain(sentence), icon=sign)


def _overlap(one: Span, other: Span) -> bool:
    return one.since_us < other.until_us and other.since_us < one.until_us


def by_week(data: Data, now: datetime, automation: str | None) -> None:
    """Show the four measures over the last weeks."""
    st.subheader(f"The last {TREND_WEEKS} weeks")
    span = weeks_of(TREND_WEEKS, now, data.tz)
    columns, drawn = st.columns(2), []
    for place, (measure, part, title, form) in enumerate(TRENDS):
        found = measured(data, measure, span, bucket="week", automation=automation)
        found = found[found["part"] == part]
        drawn.append(found.assign(measure=title))
        with columns[place % 2]:
            st.altair_chart(charts.trend(found, title, form))
    csv_download(pd.concat(drawn)[["measure", "bucket", "value", "low", "high", "n"]], "measures-by-week")
    st.caption("The band is the 95 % interval. An outcome that comes late changes the week in which its run began.")
