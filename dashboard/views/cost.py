"""Cost: what was spent, on what, by whom, and what it brought."""

from datetime import datetime

import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured, part, weeks_of
from dashboard.views.figures import NOBODY, baselines
from dashboard.views.parts import NOTHING, csv_download, money, nothing_here, plain, table, weeks_and_automation
from metrics.health.measures import Span

TREND_WEEKS = 12
PARTS = ("answers", "failed", "retried", "judge", "shadow")


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Cost")
    _, span, automation = weeks_and_automation(data, now)
    if not part(measured(data, "cost", span, automation=automation), "total", "n"):
        nothing_here("weeks")
        return
    headline(data, span, automation)
    by_week(data, now, automation)
    left, right = st.columns(2)
    with left:
        split(data, span, automation, "automation", "By automation")
        split(data, span, automation, "prompt", "By prompt version")
    with right:
        split(data, span, automation, "model", "By model")
        tokens(data, span, automation)


def headline(data: Data, span: Span, automation: str | None) -> None:
    """Show what was spent, what a success costs, and what came back."""
    cost, each = (measured(data, name, span, automation=automation) for name in ("cost", "cost_per_success"))
    minutes = baselines(data.policy_state())
    saved, back = (
        measured(data, name, span, automation=automation, baselines=minutes)
        for name in ("time_saved", "return_on_cost")
    )
    unpriced, without = int(part(cost, "total", "unknown") or 0), int(part(saved, "saved", "unknown") or 0)
    hours, gain = part(saved, "saved"), part(back, "return")
    shown = (
        (
            "Spent",
            money(part(cost, "total")),
            f"and {unpriced:,} answered calls without a known price" if unpriced else "every answered call has a price",
        ),
        (
            "Per successful output",
            NOTHING if part(each, "total") is None else money(part(each, "total")),
            f"{int(part(each, 'total', 'n') or 0):,} known successes",
        ),
        ("Time saved", f"{hours / 60:,.1f} h" if hours else NOTHING, f"{without:,} successes without a baseline"),
        ("Return", _worth(gain) if gain else NOTHING, "of work saved for each dollar spent"),
    )
    for column, (title, value, note) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(title, value, border=True)
        column.caption(note)
    spent = {name: part(cost, name) or 0.0 for name in PARTS}
    said = ", ".join(f"{name} {money(usd)}" for name, usd in spent.items())
    st.caption(plain(f"Of what was spent: {said}."))


def _worth(minutes: float) -> str:
    return f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.0f} h"


def by_week(data: Data, now: datetime, automation: str | None) -> None:
    """Show spending by week, in its parts."""
    st.subheader(f"The last {TREND_WEEKS} weeks")
    found = measured(data, "cost", weeks_of(TREND_WEEKS, now, data.tz), bucket="week", automation=automation)
    left, right = st.columns(2)
    left.altair_chart(charts.trend(found[found["part"] == "total"], "spent (USD)", "$.2f"))
    wasted = found[found["part"].isin(PARTS[1:])]
    if wasted["value"].fillna(0).any():
        right.altair_chart(charts.trend(wasted, "beside the answers (USD)", "$,~f", by="part"))
    else:
        right.caption("Nothing was spent on failed, retried, judge and shadow calls.")
    with left:
        csv_download(found[["bucket", "part", "value", "n", "unknown"]], "cost-by-week")


def split(data: Data, span: Span, automation: str | None, by: str, title: str) -> None:
    """Show spending by one grouping."""
    st.subheader(title)
    found = measured(data, "cost", span, by=by, automation=automation)
    found = found[(found["part"] != "total") & (found["value"] > 0)].assign(group=found["group"].fillna(NOBODY))
    if found.empty:
        st.caption("No call has a known price.")
        return
    top = found.groupby("group")["value"].sum().nlargest(15).index
    st.altair_chart(charts.stacked(found[found["group"].isin(top)], "value", "USD", "group", "part"))
    csv_download(found[["group", "part", "value", "n", "unknown"]], f"cost-by-{by}")


def tokens(data: Data, span: Span, automation: str | None) -> None:
    """Show tokens by bucket, and how many of them the provider had cached."""
    st.subheader("Tokens")
    found = measured(data, "tokens", span, automation=automation)
    found = found[found["value"] > 0]
    table(
        found[["part", "value"]],
        "tokens",
        column_config={"part": "bucket", "value": st.column_config.NumberColumn("tokens", format="localized")},
    )
    cached = part(measured(data, "cache", span, automation=automation), "prompt_tokens")
    st.caption(f"{cached:.1%} of input tokens came from the provider's cache." if cached is not None else "")
