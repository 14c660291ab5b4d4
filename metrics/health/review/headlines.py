"""The first lines of a review: what to know when nothing else is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metrics.health.review.words import OBJECTIVE_NAMES, bound_text, shown

_MOST_MOVERS = 4
_OUTCOMES = ("success", "override")


def headlines(document: Mapping[str, Any]) -> list[str]:
    """Return the sentences, the most urgent first."""
    return [
        *_rollbacks(document),
        *(f"{mover['sentence']}{_layer(document, mover)}" for mover in document["movers"][:_MOST_MOVERS]),
        *_targets(document),
        *_holds(document),
        *_quiet(document),
    ]


def layer_of(document: Mapping[str, Any], automation: str | None) -> Mapping[str, Any] | None:
    """Return the layer in which most failed runs of an automation lie."""
    return next((row for row in document["layers"] if row["automation"] == (automation or "")), None)


def _layer(document: Mapping[str, Any], mover: Mapping[str, Any]) -> str:
    found = layer_of(document, mover["automation"]) if mover["worse"] and mover["measure"] in _OUTCOMES else None
    if found is None:
        return ""
    failed = sum(row["runs"] for row in document["layers"] if row["automation"] == found["automation"])
    reason = f" ({found['reason']})" if found["reason"] else ""
    return f" {found['runs']} of {failed} failed runs lie in {found['layer']}{reason}."


def _rollbacks(document: Mapping[str, Any]) -> Iterator[str]:
    for card in document["scorecards"]:
        for each in card["rollback"]:
            if each["state"] == "missed":
                said = {"advise": "going back is advised", "stop": "it is to be stopped"}
                action = said.get(each.get("action", "advise"), "the named snapshot is to be activated")
                name, value = OBJECTIVE_NAMES[each["measure"]], shown(each["measure"], each["value"])
                yield f"{card['automation']}: {name} is {value} ({bound_text(each)}): {action}."


def _targets(document: Mapping[str, Any]) -> Iterator[str]:
    missed: dict[str, list[str]] = {}
    for card in document["scorecards"]:
        for each in card["targets"]:
            if each["state"] == "missed":
                text = (
                    f"{OBJECTIVE_NAMES[each['measure']]} {shown(each['measure'], each['value'])} ({bound_text(each)})"
                )
                missed.setdefault(card["automation"], []).append(text)
    for automation, texts in missed.items():
        yield f"{automation} misses its targets: {'; '.join(texts)}."


def _holds(document: Mapping[str, Any]) -> Iterator[str]:
    late = sum(each["deadline_us"] < document["until_us"] for each in document["holds"])
    if late:
        yield f"{late} held outputs waited past their deadline when the week ended."


def _quiet(document: Mapping[str, Any]) -> Iterator[str]:
    if not document["movers"]:
        yield "Nothing moved further than chance explains."
