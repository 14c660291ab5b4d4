"""What the pages share: the range and automation pickers (kept in the URL), banners and number formats."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import RANGES, Data, measured, span_of, weeks_of
from metrics.health.measures import Span

ALL = "All automations"
PROBLEMS_SHOWN = 5
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+!|$~:-])")
WEEKS = {"This week": (1, 0), "Last week": (1, 1), "Last 4 weeks": (4, 0), "Last 12 weeks": (12, 0)}  # how many, ago
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filters:
    """The chosen range (hours back from now) and automation; `params` binds them to a query."""

    hours: int
    automation: str | None
    span: Span

    @property
    def since(self) -> int:
        """Return where the range begins, in UTC microseconds."""
        return self.span.since_us

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
    span = span_of(RANGES[chosen], now, data.tz)
    return Filters(RANGES[chosen], automation_picker(data, span, right), span)


def automation_picker(data: Data, span: Span, place: Any) -> str | None:
    """Show the picker of automations; None: all of them. The choice is kept in the URL."""
    found = measured(data, "volume", span, by="automation")["group"]
    known = [ALL, *sorted({name for name in found if name})]
    wanted = st.query_params.get("automation", ALL)
    automation: str = place.selectbox("Automation", known, index=known.index(wanted) if wanted in known else 0)
    remember("automation", automation, ALL)
    return None if automation == ALL else automation


def weeks(data: Data, now: datetime) -> tuple[str, Span]:
    """Show the picker of whole weeks; return what is chosen, which is kept in the URL."""
    names = list(WEEKS)
    asked = st.query_params.get("weeks", names[0])
    chosen: str = st.selectbox("Weeks", names, index=names.index(asked) if asked in names else 0)
    remember("weeks", chosen, names[0])
    count, ago = WEEKS[chosen]
    return chosen, weeks_of(count, now, data.tz, ago)


def plain(text: str) -> str:
    """Return a text so that Markdown shows it as it is: names in it come from callers."""
    return _MARKS.sub(r"\\\1", text)


def share(value: float | None) -> str:
    """Return a share for reading."""
    return "-" if value is None or pd.isna(value) else f"{value:.1%}"


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


def csv_download(data: pd.DataFrame, name: str) -> None:
    """Offer a table as CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    st.download_button("CSV", csv_text(data), f"{name}.csv", "text/csv", icon=":material/download:", key=f"csv-{name}")


def csv_text(data: pd.DataFrame) -> str:
    """Return a table as CSV without formulas."""
    safe = data.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    safe.columns = [f"'{name}" if str(name).startswith(_FORMULA) else str(name) for name in safe.columns]
    return str(safe.to_csv(index=False))
