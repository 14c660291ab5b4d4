"""Certificates: what may pass without a person, what that rests on, and whether it still holds."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data
from dashboard.views.parts import choice, plain, table
from metrics.health.confidence.sample import passed_errors
from metrics.health.confidence.watch import wealth

_ICONS = {"in force": ":material/verified:", "withdrawn": ":material/gpp_bad:", "expired": ":material/event_busy:"}


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Certificates")
    held = {each["certificate"]: each for each in data.policy_state().get("certificates") or []}
    if not held:
        st.info(
            "Nothing is certified. A policy with a `certified` band audits every output it judges; once enough "
            "outcomes are known, `sluice confidence fit AUTOMATION` certifies a threshold or says what is missing."
        )
        return
    names = list(held)
    name = choice(st, "Certificate", names, "certificate")
    made = held[name]
    _promise(made)
    _figures(made)
    left, right = st.columns(2)
    with left:
        _reliability(made)
    with right:
        _watch(data, made, now)
    _evidence(made)


def _promise(made: dict[str, Any]) -> None:
    key, state = made["key"], made["state"]
    about = plain(", ".join(str(key[part]) for part in ("automation", "step", "prompt", "model") if key[part]))
    promise = f"With probability {1 - made['delta']:.0%}, at most {made['alpha']:.1%} of them are wrong."
    says = f"**{state.capitalize()}** for {about}: outputs scoring at least {made['threshold']:.4g} pass. {promise}"
    if state != "in force":
        says = (
            f"**{state.capitalize()}** for {about}: nothing passes by it now, the bands below it judge. It was for "
            f"outputs scoring at least {made['threshold']:.4g}.{_withdrawal(made)}"
        )
    kind = st.success if state == "in force" else st.error if state == "withdrawn" else st.warning
    kind(says, icon=_ICONS.get(state, ":material/help:"))


def _withdrawal(made: dict[str, Any]) -> str:
    gone = made.get("withdrawal")
    if not gone:
        return ""
    at = datetime.fromtimestamp(gone["withdrawn_us"] / 1e6, UTC)
    why = (
        "its audits showed too many errors"
        if gone["reason"] == "drift"
        else plain(f"by hand of {gone['withdrawn_by']}")
    )
    return f" Withdrawn on {at:%Y-%m-%d %H:%M} UTC, {why}; only a new certificate takes its place."


def _figures(made: dict[str, Any]) -> None:
    sample, look, expires = made["sample"], made["look"], datetime.fromisoformat(made["expires"])
    unanswered = f", {sample['unanswered']} audits unanswered" if sample["unanswered"] else ""
    figures = (
        ("Coverage", f"{made['coverage']:.0%}", "of outputs would have passed"),
        ("Outcomes", f"{sample['n']:,}", f"{sample['errors']:,} errors{unanswered}"),
        ("Looks", f"{len(look['used'])} of {len(look['planned'])}", f"at {', '.join(map(str, look['used']))} outcomes"),
        ("Audit rate then", f"{made['window']['audit_rate']:.0%}", "of outputs, in its window"),
        ("Expires", f"{expires:%Y-%m-%d}", f"fitted {made['fitted_at'][:10]}, for {made['activated_by']}"),
    )
    for column, (title, value, note) in zip(st.columns([1, 1, 1, 1, 1.3]), figures, strict=True):
        column.metric(title, value, border=True)
        column.caption(plain(note))


def _reliability(made: dict[str, Any]) -> None:
    st.subheader("Is the probability right?")
    bins = pd.DataFrame(made["calibration"]["bins"])
    if bins.empty:
        st.caption("No outcomes to compare with.")
        return
    st.altair_chart(charts.reliability(bins), width="stretch")
    st.caption(
        f"On outcomes the map has not seen; mean distance {made['calibration']['error']:.3f}. The probability is for "
        "display: what passes depends on the threshold alone."
    )


def _watch(data: Data, made: dict[str, Any], now: datetime) -> None:
    st.subheader("Does it still hold?")
    since = int(datetime.fromisoformat(made["fitted_at"]).timestamp() * 1e6)
    automation, tenant = made["key"]["automation"], made["key"]["tenant"]
    found = data.query("audited", since=since, automation=automation, metric=made["metric"])
    rows = found.astype(object).where(found.notna(), None).to_dict("records")
    errors = passed_errors(rows, tenant, made["certificate"], int(now.timestamp() * 1e6))
    if not errors:
        st.caption("No output that passed was audited yet.")
        return
    seen = wealth(errors, made["alpha"], made["delta"])
    st.altair_chart(charts.wealth(seen.path, seen.bound), width="stretch")
    st.caption(
        f"{len(errors):,} audits of outputs that passed, {sum(errors):,} of them errors. A bet that the promise is "
        f"broken: at {seen.bound:g} times its stake the certificate is withdrawn."
    )


def _evidence(made: dict[str, Any]) -> None:
    with st.expander("The tests, in their fixed order"):
        table(pd.DataFrame(made["tests"]), "certificate-tests")
        st.caption(f"Each p-value is at most {made['look']['delta']:.3g}, this look's part of delta.")
