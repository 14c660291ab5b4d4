"""Trust: whether the record can be proved, what is kept for how long, what was erased and exported, what is unsafe."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.trust import Json, TrustDesk
from dashboard.views.parts import kept_as, plain, remember, table

STALE = timedelta(minutes=5)
_HIDDEN = "Only the roles auditor and admin may see this."
_VERIFY = "sluice audit verify --ledger --anchor ANCHOR"


def show(desk: TrustDesk, now: datetime) -> None:
    """Draw the page."""
    st.title("Trust")
    tree = desk.audit()
    _proof(tree)
    left, right = st.columns(2)
    with left:
        _anchors(tree, now)
    with right:
        _findings(desk.listed("findings"))
    names = {"Retention": _retention, "Legal holds": _holds, "Erasures": _erasures, "Exports": _exports}
    asked = st.query_params.get("about", "Retention")
    first = asked if asked in names else "Retention"
    chosen = st.segmented_control("About", list(names), default=first, key=kept_as("about"))
    remember("about", chosen, "Retention")
    names[chosen or "Retention"](desk)


def _proof(tree: Json) -> None:
    st.subheader("Can the record be proved?")
    if not tree:
        st.warning("This recorder keeps no audit tree.", icon=":material/gpp_maybe:")
        return
    if tree.get("problem"):
        st.error(plain(f"Nothing is signed any more: {tree['problem']}."), icon=":material/gpp_bad:")
    elif not tree["signed"]:
        st.info("The first checkpoint is signed within thirty seconds of the first record.", icon=":material/pending:")
    else:
        said = f"The tree fits its last checkpoint, of {_moment(tree['signed_at'])}. Check all of it with `{_VERIFY}`."
        st.success(said, icon=":material/verified_user:")
    figures = st.columns(3)
    figures[0].metric("Records", f"{tree['records']:,}", border=True)
    figures[1].metric("Signed", f"{tree['signed']:,}", border=True)
    figures[2].metric("Waiting for a signature", f"{tree['records'] - tree['signed']:,}", border=True)
    if tree.get("checkpoint"):
        with st.expander("The last checkpoint, for printing or keeping elsewhere"):
            st.code(tree["checkpoint"], language=None)
            st.caption(f"Signed by `{tree['key']}`.")


def _anchors(tree: Json, now: datetime) -> None:
    st.subheader("Where is it anchored?")
    anchors = tree.get("anchors") or {}
    if not anchors:
        st.warning(
            "Nowhere. Whoever may write the data folder could cut off the newest records unnoticed; set SLUICE_ANCHORS "
            "to places that others control.",
            icon=":material/anchor:",
        )
    for name, state in anchors.items():
        _anchor(name, state, tree, now)


def _anchor(name: str, state: Json, tree: Json, now: datetime) -> None:
    at = datetime.fromtimestamp(state["at_us"] / 1e6, UTC) if state["at_us"] else None
    behind = tree["signed"] - state["size"]
    said = f"`{name}`: {state['size']:,} records" + (f", {at:%Y-%m-%d %H:%M} UTC" if at else ", nothing yet")
    if state["problem"]:
        st.error(f"{said}. {plain(state['problem'])}", icon=":material/cloud_off:")
    elif behind and (at is None or now - at > STALE):
        st.warning(f"{said}; {behind:,} signed records are not there yet.", icon=":material/hourglass:")
    else:
        st.success(said, icon=":material/anchor:")


def _findings(findings: list[Json] | None) -> None:
    st.subheader("What is unsafe?")
    if findings is None:
        st.caption(f"{_HIDDEN} On the machine: `sluice doctor`.")
    elif not findings:
        st.success("The doctor found nothing.", icon=":material/health_and_safety:")
    for grave, (box, icon) in {"danger": (st.error, ":material/error:"), "warning": (st.warning, ":material/warning:"),
                               "note": (st.info, ":material/info:")}.items():  # fmt: skip
        mine = [f"- {each['wrong']} {each['advice']}" for each in findings or () if each["severity"] == grave]
        if mine:
            box("\n".join(mine), icon=icon)


def _retention(desk: TrustDesk) -> None:
    rules, runs = desk.listed("rules"), desk.listed("runs")
    if rules is None:
        st.caption(_HIDDEN)
        return
    shown = [
        {
            "Governs": _selector(rule["applies_to"]),
            "Calls": f"{rule['metadata']} days",
            "What people did": f"{rule['audit']} days",
            "Legal hold": bool(rule["legal_hold"]),
        }
        for rule in rules
    ]
    _table(shown, "retention-rules", "No policy is in force yet.")
    st.caption("How long texts are kept is fixed when they are recorded, by the policy's `content`.")
    st.subheader("Calendar")
    _table(
        [_run(run) for run in runs or ()], "retention-runs", "Retention was not run yet; the keeper runs it once a day."
    )


def _run(run: Json) -> dict[str, Any]:
    outcome = run["outcome"]
    keys = sum((outcome.get("keys") or {}).values())
    counts = {"Keys destroyed": keys, "Records ended": outcome.get("records"), "Kept by holds": outcome.get("held")}
    return {"Day": run["day"], "Done": _us(run["done_us"]) or "not yet", **counts}


def _holds(desk: TrustDesk) -> None:
    found = desk.listed("holds")
    if found is None:
        st.caption(_HIDDEN)
        return
    shown = [
        {
            "Case": hold["reference"],
            "Keeps": _kept(hold),
            "Set": _minute(hold["set_at"]),
            "By": hold["set_by"],
            "Lifted": _minute(hold["lifted_at"]) if hold["lifted_at"] else "in force",
        }
        for hold in found
    ]
    _table(shown, "legal-holds", "No legal hold was ever set.")


def _erasures(desk: TrustDesk) -> None:
    found = desk.listed("erasures")
    if found is None:
        st.caption(_HIDDEN)
        return
    shown = [
        {
            "Erasure": each["id"],
            "Asked for": _seconds(each["requested_at"]),
            "Done": _seconds(each["done_at"]) or "not yet",
            "Basis": each["basis"],
            "Subjects": len(each["subject_refs"]),
            "Records": len(each["event_ids"]),
            "Stores that answered": len(each["stores"]),
            "Verified": bool(each["verified"]),
        }
        for each in found
    ]
    _table(shown, "erasures", "Nobody has asked for an erasure yet.")


def _exports(desk: TrustDesk) -> None:
    found = desk.listed("exports")
    if found is None:
        st.caption("Only the role auditor may see exports.")
        return
    shown = [
        {
            "Export": each["id"],
            "Asked for": _us(each["asked_us"]),
            "By": each["actor"],
            "Profile": each["profile"],
            "From": _us(each["since_us"]),
            "To": _us(each["until_us"]),
            "Rows": each["rows"],
            "State": each["problem"] or each["state"],
            "Manifest": (each["manifest_sha256"] or "")[:12],
        }
        for each in found
    ]
    otherwise = "No export lies here. `sluice export` makes one; older ones stand in the record as `export.made`."
    _table(shown, "exports", otherwise)


def _table(rows: list[dict[str, Any]], name: str, otherwise: str) -> None:
    if rows:
        table(pd.DataFrame(rows), name, width="stretch")
    else:
        st.caption(otherwise)


def _selector(applies_to: Json) -> str:
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in applies_to.items() if values) or "any key"


def _kept(hold: Json) -> str:
    said = hold | {name: _minute(hold[name]).removesuffix(" 00:00") for name in ("since", "until") if hold[name]}
    parts = (("subject", "subject_ref"), ("automation", "automation"), ("from", "since"), ("until", "until"))
    return ", ".join(f"{word} {said[name]}" for word, name in parts if said[name]) or "everything"


def _minute(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _us(time_us: int | None) -> str | None:
    try:
        return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M}" if time_us else None
    except (ValueError, OverflowError):
        return str(time_us)


def _seconds(time_s: int | None) -> str | None:
    return _us(time_s * 1_000_000) if time_s else None
