"""Reviews: the queue of held outputs and audits, one of them side by side with its request, and the emergency stop."""

import difflib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard.gateway import Refused
from dashboard.reviews import Json, ReviewDesk
from dashboard.views.parts import choice, plain, remember, table, typed

REASONS = ("", "correct", "wrong_facts", "wrong_tone", "incomplete", "policy_breach", "personal_data", "other")
KINDS = {"Holds and audits": "", "Holds": "hold", "Audits": "audit"}
STATES = {"Open": "open", "All": "any"}
FEW = 6  # reviews that are listed whole
_MARK = re.compile(r"\[[A-Z][A-Z0-9_]{1,31}_[a-z2-9]{6}\]|&lt;[A-Z][A-Z0-9_]+&gt;")
_BOX = "white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #8888; border-radius: 6px; padding: 12px"


def show(desk: ReviewDesk, now: datetime) -> None:
    """Draw the page."""
    st.title("Reviews")
    waiting = queue(desk, now)
    chosen = st.query_params.get("review")
    if chosen is None and waiting:
        chosen = str(waiting[0]["id"])
    if chosen is not None:
        one(desk, chosen, [str(each["id"]) for each in waiting])
    emergency(desk)


def queue(desk: ReviewDesk, now: datetime) -> list[Json]:
    """Show what waits, the most urgent first; return it."""
    columns = st.columns(4)
    kind = choice(columns[0], "Kind", list(KINDS), "kind")
    state = choice(columns[1], "State", list(STATES), "state")
    given = {"queue": typed(columns[2], "Queue", "queue"), "automation": typed(columns[3], "Automation", "automation")}
    given |= {"kind": KINDS[kind], "state": STATES[state]}
    found = desk.queue(**{name: value for name, value in given.items() if value})
    if not found:
        said = "Nothing waits for a reviewer." if state == "Open" else "No review fits this choice."
        st.success(
            f"{said} Outputs come here where a policy's confidence bands hold or audit them.",
            icon=":material/done_all:",
        )
        return []
    rows = pd.DataFrame([_row(each, now) for each in found])
    looks: dict[str, Any] = {"on_select": "rerun", "selection_mode": "single-row"}
    event = table(rows, "reviews", height="content" if len(found) <= FEW else 260, **looks)
    if selected := event.selection.rows:
        remember("review", str(found[selected[0]]["id"]))
    return found


def one(desk: ReviewDesk, review_id: str, waiting: list[str]) -> None:
    """Show a review, and what can be done with it."""
    try:
        review = desk.one(review_id)
    except Refused as error:
        st.warning(plain(str(error)))
        remember("review", None)
        return
    st.subheader(plain(f"{review['automation'] or 'unnamed'}: {review['rule']}, score {_score(review)}"))
    about = f"{review['id']}, policy {review['policy']}, for {review['assignee'] or 'anybody'}"
    call = f"[call {plain(review['call_id'])}](/calls?{urlencode({'call': review['call_id']})})"
    st.caption(f"{plain(about)}; {call}; at the deadline: {plain(review['at_deadline'])}")
    left, right = st.columns(2)
    left.markdown("**What was asked**")
    left.html(_box(_asked(review.get("request"))))
    right.markdown("**What the model answered**")
    calls = [f"{call['name']}({json.dumps(call['arguments'])})" for call in review.get("calls") or ()]
    right.html(_box("\n\n".join([review.get("text") or "", *calls]).strip() or "(erased or expired)"))
    st.caption("Highlighted: what redaction put in the place of values. Placeholders may stay in an edit.")
    if review["state"] == "open":
        decide(desk, review, waiting)
    else:
        said = f"{review['state'].capitalize()} by {review['decided_by']}; the caller gets: {review['output']}."
        st.info(plain(said))
        difference(review.get("text") or "", review.get("edit") or "")
    remarks(desk, review)


def decide(desk: ReviewDesk, review: Json, waiting: list[str]) -> None:
    """Offer the decisions; each has a key of its own."""
    key, texts = str(review["id"]), review.get("texts") or [""]
    choice = st.selectbox("Choice", range(len(texts)), key=f"choice-{key}") if len(texts) > 1 else 0
    text = st.text_area("Answer to release", texts[choice], height=160, key=f"text-{key}-{choice}")
    drops = bool(review.get("calls")) and st.checkbox("Release the edit without the tool calls", key=f"drop-{key}")
    edited = text != texts[choice]
    if edited:
        difference(texts[choice], text)
    left, right = st.columns([1, 2])
    reason = left.selectbox("Reason", REASONS, key=f"reason-{key}") or None
    comment = right.text_input("Comment", key=f"comment-{key}") or None
    columns = st.columns(5)
    buttons: list[tuple[str, str, str, Json]] = [
        ("Approve", "approve", "Alt+A", {}),
        ("Release edit", "edit", "Alt+E", {"text": text, "choice": choice, "drop_calls": drops}),
        ("Reject", "reject", "Alt+X", {}),
    ]
    for column, (label, action, shortcut, more) in zip(columns[:3], buttons, strict=True):
        able = edited if action == "edit" else not edited or action == "reject"
        kind: Any = "primary" if able and action != "reject" else "secondary"
        looks: Any = {"type": kind, "width": "stretch", "disabled": not able}
        if column.button(label, shortcut=shortcut, key=f"{action}-{key}", **looks):
            _do(lambda a=action, m=more: desk.act(key, a, reason=reason, comment=comment, **m))  # type: ignore[misc]
            _next(key, waiting)
    if columns[3].button("Take it", shortcut="Alt+M", key=f"assign-{key}", width="stretch"):
        _assign(desk, key, "me")
    with columns[4].popover("Give it", width="stretch"):
        to = st.text_input("Reviewer's e-mail address, or empty for anybody", key=f"to-{key}").strip()
        if st.button("Give", key=f"give-{key}"):
            _assign(desk, key, to or None)


def _assign(desk: ReviewDesk, key: str, to: str | None) -> None:
    _do(lambda: desk.act(key, "assign", to=to))
    st.rerun()


def difference(before: str, after: str) -> None:
    """Show what an edit changes."""
    if after and before != after:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "model", "edit", lineterm="", n=2)
        st.code("\n".join(lines), language="diff", wrap_lines=True)


def remarks(desk: ReviewDesk, review: Json) -> None:
    """Show comments, scores and, for who may see them, the originals."""
    for note in review.get("comments") or ():
        with st.chat_message("user"):
            st.caption(plain(note["by"]))
            st.text(note["text"])
    with st.expander("Scores, findings and originals"):
        if review.get("scores"):
            table(pd.DataFrame(review["scores"]), "review-scores")
        if review.get("findings"):
            names = ["place", "kind", "start", "end", "action"]
            table(pd.DataFrame(review["findings"], columns=names), "review-findings")
        st.caption("Seeing the originals needs the role auditor or admin, and is recorded.")
        if st.button("Show originals", key=f"reveal-{review['id']}"):
            found = _do(lambda: desk.act(str(review["id"]), "reveal"))
            if found:
                st.dataframe(pd.DataFrame(found["values"].items(), columns=["placeholder", "value"]), hide_index=True)


def emergency(desk: ReviewDesk) -> None:
    """Offer the emergency stop."""
    stopped = desk.stops()
    with st.expander(f"Emergency stop ({len(stopped)} stopped)", expanded=bool(stopped)):
        for each in stopped:
            left, right = st.columns([4, 1])
            said = f"{each['automation']} was stopped by {each['by']} at {_time(each['at'])} UTC: all is held."
            left.error(plain(said))
            if right.button("Start again", key=f"start-{each['automation']}"):
                _do(lambda name=each["automation"]: desk.start(name))  # type: ignore[misc]
                st.rerun()
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        name = left.text_input("Automation to stop", key="to-stop")
        if right.button("Stop it", type="primary", disabled=not name):
            _do(lambda: desk.stop(name))
            st.rerun()
        st.caption("Within a second, all answers of the automation are held and its live streams end with an error.")


def _do(act: Callable[[], Any]) -> Any:
    """Do something; what the gateway refuses is said in its own words."""
    try:
        return act()
    except Refused as error:
        st.error(plain(str(error)))
        st.stop()


def _next(done: str, waiting: list[str]) -> None:
    """Go on with the review after the one that was decided."""
    rest = [name for name in waiting if name != done]
    at = waiting.index(done) if done in waiting else 0
    remember("review", rest[min(at, len(rest) - 1)] if rest else None)
    st.rerun()


def _row(review: Json, now: datetime) -> Json:
    left_s = int(review["deadline_at"] - now.timestamp())
    return {
        "state": _span(left_s) if review["state"] == "open" else review["state"],
        "risk": f"{review['risk']:.2f}",
        "kind": review["kind"],
        "queue": review["queue"],
        "automation": review["automation"],
        "rule": review["rule"],
        "score": _score(review),
        "for": review["assignee"] or "anybody",
        "opened (UTC)": _time(review["opened_at"])[5:],  # a year more and the last column is cut at 1280 pixels
        "review": review["id"],
    }


def _span(seconds: int) -> str:
    if seconds < 0:
        return "overdue"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"due in {hours} h {minutes} min" if hours else f"due in {minutes} min"


def _score(review: Json) -> str:
    return "none" if review["score"] is None else f"{review['score']:.2f}"


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")


def _asked(request: Json | None) -> str:
    if request is None:
        return "(erased or expired)"
    given = request.get("messages") or request.get("input") or request.get("prompt") or ""
    if isinstance(given, str):
        return given
    return "\n\n".join(f"{item.get('role', '')}: {_words(item.get('content'))}" for item in given)


def _words(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)


def _box(text: str) -> str:
    marked = _MARK.sub(lambda found: f"<mark>{found[0]}</mark>", escape(text, quote=False))
    return f'<div style="{_BOX}">{marked}</div>'
