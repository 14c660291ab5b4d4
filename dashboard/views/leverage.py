"""Leverage: which workflow is worth automating next, and what those at work save."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.views.parts import plain, table
from dashboard.weekly import WeeklyDesk

_GRADES = {
    "determinism": "determinism",
    "measurability": "measurability",
    "ease_of_verification": "verification",
    "ambiguity": "ambiguity",
}


def show(desk: WeeklyDesk) -> None:
    """Draw the page."""
    st.title("Leverage")
    found = desk.registry()["leverage"]
    if not found:
        st.info(
            "No workflow has grades yet. Add a file to `policies/automations/` with `stage: candidate`, its baseline "
            "and a `leverage:` block; it needs no policy before it is built.",
            icon=":material/lightbulb:",
        )
        return
    st.caption(
        "Leverage is hours a week at stake, times how well the workflow is suited: the mean of its grades, ambiguity "
        "turned round, from 0 to 1. Grades go from 1 to 5 and stand in the automations' files."
    )
    rows = [_row(rank) for rank in found]
    data = pd.DataFrame(rows)
    table(
        data,
        "leverage",
        column_config={
            "leverage": st.column_config.ProgressColumn(
                "leverage (h a week)", min_value=0, max_value=float(data["leverage"].max()), format="%.1f"
            ),
            "hours": st.column_config.NumberColumn("hours at stake", format="%.1f"),
            "fit": st.column_config.NumberColumn("fit", format="%.2f"),
            "mend first": None,
        },
    )
    mend = [f"- {plain(row['workflow'])}: {plain(row['mend first'])}" for row in rows if row["mend first"]]
    if mend:
        st.markdown("Mend first:\n" + "\n".join(mend))


def _row(rank: dict[str, object]) -> dict[str, Any]:
    grades = rank["grades"]
    assert isinstance(grades, dict)
    mend = rank["mend"]
    return {
        "workflow": rank["automation"],
        "stage": rank["stage"],
        "leverage": rank["score"],
        "hours": rank["hours"],
        "fit": rank["fit"],
        "runs a week": grades["runs_per_week"],
        **{label: grades[name] for name, label in _GRADES.items()},
        "mend first": "; ".join(mend) if isinstance(mend, list | tuple) else "",
    }
