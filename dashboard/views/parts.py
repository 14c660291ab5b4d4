"""What the pages share: the range and automation pickers (kept in the URL), banners and number formats."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import RANGES, WHOLE_DAYS_FROM_H, Data, measured, part, span_of, weeks_of
from metrics.health.measures import Span
from metrics.health.review.weeks import week_span
from metrics.health.review.words import dollars
from metrics.record.refusals import QueryError

ALL = "All automations"
NOTHING = "–"  # what stands where there is no figure
PROBLEMS_SHOWN = 5
_MARKS = re.compile(r"([\\`*{}\[\]<>|$~&]|(?<!\w)_|_(?!\w)|:(?=[a-zA-Z])|^[#+-])")
_LINKS = re.compile(r"(?i)\b(https?(?=://)|www(?=\.))")  # Streamlit makes links of these, escaped or not
_ROWS = 25  # a table of no more rows is shown whole
WEEKS = {"This week": (1, 0), "Last week": (1, 1), "Last 4 weeks": (4, 0), "Last 12 weeks": (12, 0)}  # how many, ago
_LONGEST = {"weeks": "Last 12 weeks", "range": "Last 28 days"}
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
        return {"since": self.since, "until": self.span.until_us, "automation": self.automation}


def filters(data: Data, now: datetime) -> Filters:
    """Show the pickers and return what is chosen; it is kept in the URL, which may name a week (2026-W47)."""
    left, right = st.columns([1, 2])
    names = list(RANGES)
    chosen = choice(left, "Range", [*names, *_week_in_url("range")], "range", names[1])
    span = span_of(RANGES[chosen], now, data.tz) if chosen in RANGES else week_span(chosen, data.tz)
    return Filters(RANGES.get(chosen, WHOLE_DAYS_FROM_H), automation_picker(data, span, right), span)


def automation_picker(data: Data, span: Span, place: Any) -> str | None:
    """Show the picker of automations; None: all of them. The choice is kept in the URL."""
    found = measured(data, "volume", span, by="automation")["group"]
    automation = choice(place, "Automation", [ALL, *sorted({name for name in found if name})], "automation")
    return None if automation == ALL else automation


def weeks_and_automation(data: Data, now: datetime) -> tuple[str, Span, str | None]:
    """Show the pickers of weeks and automations beside each other; return what is chosen."""
    left, right = st.columns([1, 2])
    with left:
        words, span = weeks(data, now)
    return words, span, automation_picker(data, span, right)


def weeks(data: Data, now: datetime) -> tuple[str, Span]:
    """Show the picker of whole weeks; return what is chosen, which is kept in the URL.

    The default is the week that the Review is about, and in a product's first week the one that runs.
    """
    if "first_week" not in st.session_state:
        whole = measured(data, "volume", weeks_of(1, now, data.tz, 1))
        st.session_state["first_week"] = "Last week" if part(whole, "calls") else "This week"
    first = str(st.session_state["first_week"])
    chosen = choice(st, "Weeks", [*WEEKS, *_week_in_url("weeks")], "weeks", first)
    if chosen not in WEEKS:
        return chosen, week_span(chosen, data.tz)
    count, ago = WEEKS[chosen]
    return chosen, weeks_of(count, now, data.tz, ago)


def _week_in_url(name: str) -> list[str]:
    """Return the ISO week that the URL names, if it does."""
    asked = st.query_params.get(name, "")
    try:
        week_span(asked)
    except QueryError:
        return []
    return [asked]


def kept_as(name: str) -> str:
    """Return the key of a widget whose value is kept in the URL.

    Without one it would be another widget as soon as the URL, and so its default, changes: what is chosen next is lost.
    """
    return f"url-{name}"


def choice(place: Any, label: str, options: Sequence[str], name: str, default: str | None = None) -> str:
    """Show a picker whose choice is kept in the URL under `name`; the default leaves it."""
    default = default or options[0]
    asked = st.query_params.get(name, default)
    at = options.index(asked if asked in options else default)
    chosen: str = place.selectbox(label, options, index=at, key=kept_as(name))
    remember(name, chosen, default)
    return chosen


def typed(place: Any, label: str, name: str) -> str:
    """Show a field whose text is kept in the URL under `name`."""
    text: str = place.text_input(label, st.query_params.get(name, ""), key=kept_as(name)).strip()
    remember(name, text)
    return text


def table(data: pd.DataFrame, name: str, **looks: Any) -> Any:
    """Show a table, and offer it as CSV; return what is chosen in it, if that is asked for."""
    shown = data.copy()
    for column in shown.select_dtypes("bool").columns:
        shown[column] = shown[column].map({True: "yes", False: "no"})
    height: Any = "content" if len(shown) <= _ROWS else "auto"
    event = st.dataframe(shown, **({"hide_index": True, "height": height, "placeholder": NOTHING} | looks))
    csv_download(data, name)
    return event


def plain(text: str) -> str:
    """Return a text so that Markdown shows it as it is, on one line: names in it come from callers."""
    return _LINKS.sub("\\1\u2060", _MARKS.sub(r"\\\1", " ".join(text.split())))


def share(value: float | None) -> str:
    """Return a share for reading."""
    return NOTHING if value is None or pd.isna(value) else f"{value:.1%}"


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
        listed = "\n".join(f"- {plain(problem)}" for problem in problems[:PROBLEMS_SHOWN])
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
    return f"{dollars(usd)} +?" if unpriced else dollars(usd)


def milliseconds(value: float | None) -> str:
    """Return a duration for reading."""
    if value is None or pd.isna(value):
        return NOTHING
    if value >= 1000:
        return f"{value / 1000:,.2f} s"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def nothing_here(name: str) -> None:
    """Say what to do when there is nothing to show; `name` is the picker of time that the page has."""
    st.info(
        "No calls in this range. Choose a longer one, or point a client here: set its base URL to the gateway's `/v1` "
        "and its API key to one from `sluice keys create`. A call appears within two seconds.",
        icon=":material/info:",
    )
    longest = _LONGEST[name]
    if st.query_params.get(name) != longest:
        st.button(f"Show the {longest.lower()}", on_click=lambda: st.session_state.update({kept_as(name): longest}))


def csv_download(data: pd.DataFrame, name: str) -> None:
    """Offer a table as CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    looks: Any = {"icon": ":material/download:", "key": f"csv-{name}", "type": "tertiary", "on_click": "ignore"}
    st.download_button("CSV", csv_text(data), f"{name}.csv", "text/csv", help=f"Download {name}.csv", **looks)


def csv_text(data: pd.DataFrame) -> str:
    """Return a table as CSV without formulas."""
    safe = data.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
    safe.columns = [f"'{name}" if str(name).startswith(_FORMULA) else str(name) for name in safe.columns]
    return str(safe.to_csv(index=False))
