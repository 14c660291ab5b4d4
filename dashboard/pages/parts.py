"""What the pages share: the range and automation pickers (kept in the URL), banners and number formats."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import RANGES, Data, since_us

ALL = "All automations"
PROBLEMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Filters:
    """The chosen range (hours back from now) and automation; `params` binds them to a query."""

    hours: int
    automation: str | None
    since: int

    @property
    def params(self) -> dict[str, Any]:
        """Return them as query parameters."""
        return {"since": self.since, "automation": self.automation}


def filters(data: Data, now: datetime) -> Filters:
    """Show the pickers and return what is chosen; the choice is kept in the URL."""
    left, right = st.columns([1, 2])
    names = list(RANGES)
    asked = st.query_params.get("range", names[1])
    chosen = left.selectbox("Range", names, index=names.index(asked) if asked in names else 1)
    st.query_params["range"] = chosen
    since = since_us(RANGES[chosen], now)
    known = [ALL, *(name for name in data.query("automations", since=since)["automation"] if name)]
    wanted = st.query_params.get("automation", ALL)
    automation = right.selectbox("Automation", known, index=known.index(wanted) if wanted in known else 0)
    remember("automation", automation, ALL)
    return Filters(RANGES[chosen], None if automation == ALL else automation, since)


def remember(name: str, value: str | None, default: str | None = None) -> None:
    """Keep a choice in the URL; a choice that is the default leaves it."""
    if value and value != default:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def banners(status: dict[str, Any], simulated: int, calls: int) -> None:
    """Say what a reader must know before believing the page."""
    if simulated:
        share = "All" if simulated >= calls else f"{simulated:,} of {calls:,}"
        st.warning(
            f"{share} of these calls were answered by the **simulated provider**: its answers and prices are invented.",
            icon=":material/science:",
        )
    problems = policy_problems(status)
    if problems:
        listed = "\n".join(f"- `{problem}`" for problem in problems[:PROBLEMS_SHOWN])
        st.error(
            f"The policy folder has mistakes, so the policy before them stays in force:\n{listed}",
            icon=":material/gavel:",
        )


def policy_problems(status: dict[str, Any]) -> list[str]:
    """Return the policy folder's problems as `/status` tells them, one sentence each."""
    policy = status.get("policy")
    found = policy.get("problems", []) if isinstance(policy, dict) else []
    return [_sentence(item) for item in found]


def _sentence(problem: dict[str, Any]) -> str:
    """Write a problem as `sluice policy check` does."""
    place = ":".join(str(problem.get(name, "?")) for name in ("file", "line", "column"))
    return ": ".join(str(part) for part in (place, problem.get("path"), problem.get("message")) if part)


def money(usd: float | None, unpriced: int = 0) -> str:
    """Return an amount with as many digits as it needs; unknown prices are said, never counted as nothing."""
    if usd is None or pd.isna(usd):
        return "unknown" if unpriced else "$0"
    text = f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.0001 or usd == 0 else "<$0.0001"
    return f"{text} +?" if unpriced else text


def milliseconds(value: float | None) -> str:
    """Return a duration for reading."""
    if value is None or pd.isna(value):
        return "-"
    if value >= 1000:
        return f"{value / 1000:,.2f} s"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def nothing_here() -> None:
    """Say what to do when there is nothing to show."""
    st.info(
        "No calls in this range yet. Point a client here: set its base URL to the gateway's `/v1` and its API key to "
        "one from `sluice keys create`. A call appears within two seconds.",
        icon=":material/info:",
    )
