"""Automations: how each does by week, what moved, and which change it follows."""

from datetime import datetime

import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured, weeks_of
from dashboard.pages.figures import figures
from dashboard.pages.parts import automation_picker, nothing_here, plain, weeks
from metrics.health.measures import Span
from metrics.health.movers import week_movement
from metrics.health.sentences import change_sentence, mover_sentence, visible_sentence

TREND_WEEKS = 12
TRENDS = (
    ("success", "success", "Task success", ".0%"),
    ("override", "of_seen", "Human override of what was seen", ".0%"),
    ("cost_per_success", "total", "Cost per successful output (USD)", "$.4f"),
    ("latency", "total_p95", "95 % of calls take at most (ms)", ",.0f"),
)


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Automations")
    left, right = st.columns([1, 2])
    with left:
        words, span = weeks(data, now)
    automation = automation_picker(data, span, right)
    if figures(data, span).empty:
        nothing_here()
        return
    what_moved(data, span, words, automation)
    by_week(data, now, automation)


def what_moved(data: Data, span: Span, words: str, automation: str | None) -> None:
    """Tell the movers in sentences, then the changes, then what would have been seen."""
    st.subheader(f"What moved: {words.lower()} against the four weeks before")
    found = week_movement(data.ask, span, automation)
    for mover in found.movers:
        show_one = st.error if mover.worse else st.success
        sign = ":material/warning:" if mover.worse else ":material/check_circle:"
        show_one(plain(mover_sentence(mover, data.tz)), icon=sign)
    if not found.movers:
        st.info("Nothing moved further than chance explains.", icon=":material/check:")
    if found.changes:
        listed = [plain(change_sentence(change, data.tz)) for change in found.changes]
        st.markdown("**Changes in these weeks**\n" + "\n".join(f"- {each}" for each in listed))
    with st.expander("What would have been seen"):
        seen = [plain(visible_sentence(subject, size)) for subject, size in found.visible.items()]
        st.markdown("\n".join(f"- {each}" for each in seen) or "There is too little to compare yet.")


def by_week(data: Data, now: datetime, automation: str | None) -> None:
    """Show the four measures over the last weeks."""
    st.subheader(f"The last {TREND_WEEKS} weeks")
    span = weeks_of(TREND_WEEKS, now, data.tz)
    columns = st.columns(2)
    for place, (measure, part, title, form) in enumerate(TRENDS):
        found = measured(data, measure, span, bucket="week", automation=automation)
        with columns[place % 2]:
            st.altair_chart(charts.trend(found[found["part"] == part], title, form))
    st.caption("The band is the 95 % interval. An outcome that comes late changes the week in which its run began.")
