"""A review as a row of blocks: headings, sentences, lists, tables, pictures; each face draws them in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from metrics.health.review import svg
from metrics.health.review.words import OBJECTIVE_NAMES, bound_text, interval, shown

Json = Mapping[str, Any]
STATES: Final = {"kept": "✓ kept", "missed": "✗ missed", "unsure": "~ not sure", "unknown": "– unknown"}
_TREND_OF: Final = ("success", "override", "latency_p95_s", "cost_per_success_usd")


@dataclass(frozen=True, slots=True)
class Heading:
    """A title; 1 is the review's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or a few. `aside`: less important, or a warning when `warning`."""

    text: str
    aside: bool = False
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences one below the other; `links` are the dashboard's pages behind each, shown there only."""

    texts: tuple[str, ...]
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. A cell is text; one of a column named in `links` is shown as a link to (page, parameter)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    links: tuple[tuple[str, str, str], ...] = ()  # column, page, parameter


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as SVG, and the same in words."""

    svg: str
    words: str


Block = Heading | Text | Bullets | Grid | Picture


def blocks(document: Json, items: Sequence[Json] = ()) -> Iterator[Block]:
    """Yield a review in the order of its agenda; `items` are actions and decisions with their texts."""
    yield from _head(document)
    yield Heading(2, "Headlines")
    yield Bullets(tuple(document["headlines"]) or ("Nothing was recorded in this week.",))
    yield Heading(2, "Actions and decisions")
    yield from _agenda(document, items)
    yield Heading(2, "Automations")
    for card in document["scorecards"]:
        yield from _card(card)
    yield Heading(2, "What moved")
    yield from _movers(document)
    yield Heading(2, "Where failures lie")
    yield from _layers(document)
    yield Heading(2, "Runs to read")
    yield from _runs(document)
    yield Heading(2, "Held outputs that wait")
    yield from _holds(document)
    yield Heading(2, "Cost")
    yield from _cost(document)
    yield Heading(2, "Redaction and events")
    yield from _events(document)
    yield Heading(2, "Restated since earlier reviews")
    yield from _restated(document)
    yield Heading(2, "The record behind this page")
    yield from _record(document)


def moment(document: Json, at_us: int) -> str:
    """Return a moment in the review's time zone."""
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(ZoneInfo(document["tz"]))
    return f"{at:%a} {at.day} {at:%b %H:%M}"


def _head(document: Json) -> Iterator[Block]:
    yield Heading(1, f"Automation health, week {document['week']}")
    first, last = (moment(document, document[name] - off)[:-6] for name, off in (("since_us", 0), ("until_us", 1)))
    volume = document["volume"]
    yield Text(
        f"{first} to {last} ({document['tz']}): {volume.get('runs', 0):,} runs, {volume.get('calls', 0):,} calls. "
        f"Frozen at record {document['seq']:,}.",
        aside=True,
    )
    simulated, calls = volume.get("simulated", 0), volume.get("calls", 0)
    if simulated:
        share = "All" if simulated >= calls else f"{simulated:,} of {calls:,}"
        yield Text(
            f"{share} calls were answered by the simulated provider: answers and prices are invented.", warning=True
        )


def _agenda(document: Json, items: Sequence[Json]) -> Iterator[Block]:
    measured = {row["item_id"]: row for row in document["agenda"]}
    rows = []
    for item in items:
        row = measured.get(item["item_id"], {})
        moved = ""
        if item["measure"] and row.get("before") is not None:
            values = [shown(item["measure"], row.get(name)) for name in ("before", "after")]
            moved = f"{OBJECTIVE_NAMES[item['measure']]}: {values[0]} → {values[1]}"
        about = item["automation"] or ""
        texts = (item["text"] or "(erased or expired)", item["owner"] or "", item["due"] or "")
        rows.append((item["kind"], *texts, item["state"], item["week"], about, moved))
    columns = ("kind", "what", "owner", "due", "state", "since", "automation", "measure then → now")
    yield Grid(columns, tuple(rows)) if rows else Text("None were entered yet.", aside=True)


def _card(card: Json) -> Iterator[Block]:
    yield Heading(3, card["automation"])
    who = f"{card['purpose']} Owner: {card['owner']}." if card["registered"] else "Not in the registry of automations."
    saved = f" About {card['saved_minutes'] / 60:,.1f} h of work saved." if card["saved_minutes"] else ""
    yield Text(f"{who} {card['runs']:,} runs, {card['calls']:,} calls.{saved}", aside=True)
    targets = {each["measure"]: each for each in card["targets"]}
    rows = []
    for objective, name in OBJECTIVE_NAMES.items():
        figure, before = card["figures"].get(objective), card["before"].get(objective)
        if figure is None and objective not in targets:
            continue
        target = targets.get(objective)
        now = interval(objective, figure) if figure else "unknown"
        asked = (bound_text(target), STATES[target["state"]]) if target else ("", "")
        rows.append((name, now, shown(objective, before["value"]) if before else "unknown", *asked))
    yield Grid(("measure", "this week (95 %)", "last week", "target", ""), tuple(rows))
    criteria = [f"{OBJECTIVE_NAMES[r['measure']]} {bound_text(r)}: {_standing(r)}" for r in card["rollback"]]
    if criteria:
        yield Text("Rollback unless: " + "; ".join(criteria) + ".", aside=True)
    if card.get("visible"):  # reviews of format 1 have none
        yield Text(" ".join(card["visible"]), aside=True)
    for objective in _TREND_OF:
        points = [(week, figures.get(objective)) for week, figures in card["trend"].items()]
        if sum(figure is not None for _, figure in points) > 1:
            limit = targets.get(objective, {})
            bound = limit.get("at_least") if limit.get("at_least") is not None else limit.get("at_most")
            title = f"{card['automation']}: {OBJECTIVE_NAMES[objective]}"
            yield Picture(svg.trend(title, objective, points, bound), svg.words(title, objective, points))


def _standing(each: Json) -> str:
    done = {"advise": "advises to go back", "stop": "stops the automation", "activate": "activates the named snapshot"}
    value = shown(each["measure"], each["value"])
    return f"now {value}, {STATES[each['state']][2:]} (if missed, it {done[each.get('action', 'advise')]})"


def _movers(document: Json) -> Iterator[Block]:
    fresh, again = ([m for m in document["movers"] if m.get("told", False) is told] for told in (False, True))
    if document["movers"]:
        yield Text("This week against the four before it, which is why figures differ from last week's.", aside=True)
    yield _moved(document, fresh) if fresh else Text("Nothing moved further than chance explains.", aside=True)
    if again:
        yield Heading(3, "As last week: still not what it was in the four weeks before")
        yield _moved(document, again)
    changes = [f"{each['automation'] or 'everywhere'}: {each['sentence']}" for each in document["changes"]]
    if changes:
        yield Heading(3, "Changes of this week")
        yield Bullets(tuple(changes))


def _moved(document: Json, movers: Sequence[Json]) -> Bullets:
    """Tell movers, each with the way to its calls."""
    told = tuple(("↓ worse: " if m["worse"] else "↑ better: ") + m["sentence"] for m in movers)
    return Bullets(told, tuple(_calls(document, mover) for mover in movers))


def _calls(document: Json, mover: Json) -> str:
    """Return the page that shows the calls behind a mover."""
    narrower = {"errors": ("outcome", "error"), "refusals": ("outcome", "refused"), "withheld": ("verdict", "hold")}
    chosen = [("range", document["week"]), ("automation", mover["automation"] or ""), ("step", mover["step"])]
    chosen += [narrower[mover["measure"]]] if mover["measure"] in narrower else []
    return "calls?" + urlencode([(name, value) for name, value in chosen if value])


def _layers(document: Json) -> Iterator[Block]:
    rows = tuple((row["automation"], row["layer"], f"{row['runs']:,}", row["reason"]) for row in document["layers"])
    columns = ("automation", "layer", "failed runs", "most of them")
    yield Grid(columns, rows) if rows else Text("No run failed.", aside=True)


def _runs(document: Json) -> Iterator[Block]:
    rows = tuple(
        (
            row["run_id"],
            row["automation"] or "",
            moment(document, row["ts_us"]),
            _why(row),
            f"{row['calls']}",
            shown("cost_per_success_usd", row["cost_usd"]),
        )
        for row in document["runs"]
    )
    columns = ("run", "automation", "began", "why", "calls", "cost")
    yield Grid(columns, rows, (("run", "runs", "run"),)) if rows else Text("None failed or was changed.", aside=True)


def _why(row: Json) -> str:
    why = "failed" if row["success"] is False else "changed" if row["overridden"] else "a call failed"
    return f"{why}: {row['layer']}{', ' + row['reason'] if row['reason'] else ''}" if row["layer"] else why


def _holds(document: Json) -> Iterator[Block]:
    rows = tuple(
        (
            row["review_id"],
            row["automation"] or "",
            moment(document, row["opened_ts_us"]),
            moment(document, row["deadline_us"]),
            "late" if row["deadline_us"] < document["until_us"] else "",
        )
        for row in document["holds"][:20]
    )
    columns = ("review", "automation", "held since", "deadline", "")
    yield Grid(columns, rows, (("review", "reviews", "review"),)) if rows else Text("None.", aside=True)
    if len(document["holds"]) > len(rows):
        yield Text(f"And {len(document['holds']) - len(rows)} more.", aside=True)


def _cost(document: Json) -> Iterator[Block]:
    names = ("total", "before", "answers", "failed", "retried", "judge", "shadow")
    rows = tuple(
        (row["automation"] or "(none)", *(_usd(row.get(name)) for name in names), f"{row['unpriced']:,}")
        for row in document["cost"]
    )
    columns = (
        "automation",
        "this week",
        "last week",
        "answers",
        "failed",
        "retried",
        "judges",
        "shadows",
        "unpriced calls",
    )
    yield Grid(columns, rows) if rows else Text("Nothing was spent.", aside=True)


def _events(document: Json) -> Iterator[Block]:
    found = document["redactions"]
    if found:
        yield Text("Values found: " + ", ".join(f"{part} {count:,}" for part, count in found) + ".")
    rows = tuple(
        (row["kind"], row["automation"] or "", f"{row['n']:,}", moment(document, row["last_ts_us"]))
        for row in document["events"]
    )
    yield Grid(("event", "automation", "times", "last"), rows) if rows else Text("No events.", aside=True)


def _restated(document: Json) -> Iterator[Block]:
    rows = tuple(
        (
            row["week"],
            row["automation"] or "",
            OBJECTIVE_NAMES[row["objective"]],
            shown(row["objective"], row["then"]),
            shown(row["objective"], row["now"]),
        )
        for row in document["restated"]
    )
    if not rows:
        yield Text("No figure of an earlier review has changed.", aside=True)
        return
    yield Grid(("week", "automation", "measure", "as reviewed", "now, with late outcomes"), rows)


def _record(document: Json) -> Iterator[Block]:
    point, snapshot = document["inputs"]["checkpoint"], document["inputs"]["snapshot"]
    signed = "No checkpoint of the audit tree was signed yet."
    if point:
        root = f", with the root {point['root']}" if point.get("root") else ""
        signed = f"The audit tree was last signed with {point['size']:,} records at {point['time']}{root}."
    yield Text(f"Made from records 1 to {document['seq']:,}. {signed}")
    yield Text(f"Registry of the policy snapshot {snapshot[:12] if snapshot else '(none)'}.", aside=True)


def _usd(value: float | None) -> str:
    return "" if value is None else shown("cost_per_success_usd", value)
