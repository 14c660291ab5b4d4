"""Review: one frozen week as one page, the actions and decisions on it, and the same as a file."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard.gateway import Refused
from dashboard.views.parts import choice, csv_download, kept_as, plain, remember
from dashboard.views.parts import table as shown
from dashboard.weekly import Json, WeeklyDesk
from metrics.health.review.blocks import Block, Bullets, Grid, Heading, Picture, Text, blocks
from metrics.health.review.faces import as_html, as_markdown
from metrics.health.review.weeks import last_week
from metrics.health.review.words import OBJECTIVE_NAMES

_ABREAST = 4
_CARDS = 8
_MOVED, _ALL = "Those that moved or miss a target", "All automations"
_READERS = (
    "Freezing a week and entering actions needs the role reviewer, policy_owner or admin; `sluice users` gives it."
)
_INK = {"dark": "#d0d5dd", "light": "#475467"}  # of what is written in drawings


def show(desk: WeeklyDesk, now: datetime) -> None:
    """Draw the page."""
    found = [each for each in desk.weeks() if each["state"] == "frozen"]
    if not found:
        nothing_frozen(desk, last_week(int(now.timestamp() * 1e6)))
        return
    chosen = chooser(found)
    review = desk.one(chosen["week"], chosen["revision"])
    items = desk.items(chosen["week"])
    if desk.may_write:
        st.caption(
            "For the meeting: read, then [enter actions and decisions](#enter-an-action-or-a-decision) at the end."
        )
    draw(blocks(with_cards(review["document"]), items))
    st.divider()
    if desk.may_write:
        enter(desk, review["document"], items)
    else:
        st.caption(_READERS)
    files(desk, review, items)


def nothing_frozen(desk: WeeklyDesk, week: str) -> None:
    """Say what a review is, and offer the first one."""
    st.title("Review")
    st.info(
        f"No week was reviewed yet. Freezing {week} puts its figures, what moved and why, and the runs worth reading "
        "on one page that does not change any more. A week takes seconds.",
        icon=":material/event_available:",
    )
    if not desk.may_write:
        st.caption(_READERS)
    elif st.button(f"Freeze {week}", type="primary"):
        attempt(lambda: desk.freeze(week), f"The review of {week} is being built; it is here in a moment.")


def chooser(found: Sequence[Json]) -> Json:
    """Offer the frozen reviews; the choice is kept in the URL."""
    names = [f"{each['week']}.{each['revision']}" for each in found]
    asked = st.query_params.get("week", names[0])
    at = next((place for place, name in enumerate(names) if asked in (name, name.partition(".")[0])), 0)
    left, _ = st.columns([1, 3])
    label = left.selectbox("Week and revision", names, index=at, key=kept_as("week"))
    remember("week", label, names[0])
    return found[names.index(label)]


def with_cards(document: Json) -> Json:
    """Of many automations show the cards that need reading, unless somebody asks for others; files have them all."""
    cards = document["scorecards"]
    if len(cards) <= _CARDS:
        return document
    names = [_MOVED, _ALL, *(card["automation"] for card in cards)]
    chosen = choice(st, f"Automations ({len(cards)})", names, "automation")
    moved = {mover["automation"] for mover in document["movers"]}
    kept = [
        card
        for card in cards
        if chosen in (_ALL, card["automation"]) or (chosen == _MOVED and (card["automation"] in moved or _misses(card)))
    ]
    return {**document, "scorecards": kept}


def _misses(card: Json) -> bool:
    return any(each["state"] == "missed" for each in (*card["targets"], *card["rollback"]))


def draw(parts: Iterator[Block]) -> None:
    """Draw blocks; drawings that follow each other stand abreast. A table's CSV is called as what it stands under."""
    under = ""
    for kind, group in groupby(parts, type):
        if kind is Picture:
            ink = _INK[st.context.theme.type or "light"]
            pictures = [block for block in group if isinstance(block, Picture)]
            for column, picture in zip(st.columns(max(len(pictures), _ABREAST)), pictures, strict=False):
                column.image(picture.svg.replace("currentColor", ink))
        else:
            for block in group:
                under = block.text if isinstance(block, Heading) else under
                one(block, under)


def one(block: Block, under: str) -> None:
    """Draw one block; all text is nothing but text."""
    if isinstance(block, Heading):
        (st.title, st.header, st.subheader)[block.level - 1](plain(block.text))
    elif isinstance(block, Text):
        if block.warning:
            st.warning(plain(block.text), icon=":material/science:")
        else:
            (st.caption if block.aside else st.write)(plain(block.text))
    elif isinstance(block, Bullets):
        links = block.links or ("",) * len(block.texts)
        said = zip(block.texts, links, strict=True)
        st.markdown("\n".join(f"- {plain(text)}{f' [Calls]({link})' if link else ''}" for text, link in said))
    elif isinstance(block, Grid):
        table(block, re.sub(r"\W+", "-", under).strip("-").lower())


def table(grid: Grid, name: str) -> None:
    """Draw a table; ids are links to the page that shows them."""
    names = [name or " " for name in grid.columns]
    data = pd.DataFrame(list(grid.rows), columns=names)
    config: dict[str, Any] = {}
    for column, page, parameter in grid.links:
        data["open"] = [f"/{page}?{urlencode({parameter: value})}" for value in data[column]]
        config["open"] = st.column_config.LinkColumn(" ", display_text="open")
    shown(data, name, column_config=config)


def enter(desk: WeeklyDesk, document: Json, items: Sequence[Json]) -> None:
    """Offer to enter an action or a decision, and to close open ones."""
    names = [card["automation"] for card in document["scorecards"]]
    st.subheader("Enter an action or a decision")
    with st.form(f"item-{len(items)}"):  # emptied by a new item, not by one that is refused
        text = st.text_input("What", max_chars=2000)
        columns = st.columns(5)
        item: Json = {
            "text": text,
            "owner": columns[0].text_input("Owner", max_chars=120),
            "kind": columns[1].selectbox("Kind", ["action", "decision"]),
            "automation": columns[2].selectbox("Automation", names, index=None, placeholder="all"),
            "measure": columns[3].selectbox("Measure to move", list(OBJECTIVE_NAMES), index=None, placeholder="none"),
            "due": _day(columns[4].date_input("Due", value=None)),
        }
        if st.form_submit_button("Enter", type="primary"):
            if item["text"] and item["owner"]:
                attempt(lambda: desk.add(document["week"], item), None)
            else:
                st.error("Say under What what is to be done, and under Owner by whom.")
    waiting = {f"{each['text']} ({each['owner']})": each["item_id"] for each in items if each["state"] == "open"}
    if waiting:
        left, right, last = st.columns([4, 1, 1], vertical_alignment="bottom")
        label = left.selectbox("Open items", list(waiting))
        for column, word in ((right, "done"), (last, "dropped")):
            if column.button(word.capitalize(), key=f"close-{word}", width="stretch"):
                attempt(lambda state=word: desk.close(waiting[label], state), None)


def files(desk: WeeklyDesk, review: Json, items: Sequence[Json]) -> None:
    """Offer the review as files, and a new revision."""
    document, digest, week = review["document"], review["sha256"], review["week"]
    columns = st.columns(4)
    faces = (("HTML, to print", as_html, "html", "text/html"), ("Markdown", as_markdown, "md", "text/markdown"))
    for column, (label, face, suffix, kind) in zip(columns, faces, strict=False):
        name = f"review-{week}.{suffix}"
        column.download_button(label, face(document, digest, items), name, kind, width="stretch")
    cards = pd.DataFrame(
        {"automation": card["automation"], **{name: figure["value"] for name, figure in card["figures"].items()}}
        for card in document["scorecards"]
    )
    with columns[2]:
        csv_download(cards, f"review-{week}")
    if desk.may_write and columns[3].button(
        "Freeze again", width="stretch", help="Makes a further revision with the records of now."
    ):
        attempt(lambda: desk.freeze(week), f"A new revision of {week} is being built.")


def attempt(act: Any, said: str | None) -> None:
    """Do something; what the gateway refuses is said in its own words."""
    try:
        act()
    except Refused as error:
        st.error(plain(str(error)))
        return
    if said is None:
        st.rerun()
    st.success(said)


def _day(chosen: Any) -> str | None:
    return chosen.isoformat() if isinstance(chosen, date) else None
