"""The first lines of a review: what to know when nothing else is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metrics.health.moved import KINDS
from metrics.health.review.words import OBJECTIVE_NAMES, bound_text, shown

_MOST_MOVERS = 6
_OUTCOMES = ("success", "override")
_TO_DO: Mapping[str, str] = {
    "prompt": "Compare both versions on the runs below, or go back.",
    "policy": "Compare both versions with sluice policy diff, or go back.",
    "model": "Compare both models on the runs below, or go back.",
    "code": "Look at what this version changed, or go back.",
    "split": "Set the split back until it is understood.",
    "price": "Decide whether a cheaper model will do.",
    "certificate": "Fit a new certificate: sluice confidence fit.",
    "stop": "Decide whether it may run again.",
}
_OF_LAYER: Mapping[str, str] = {
    "retrieval": "Look at the search before the prompt.",
    "orchestration": "Look at the failed steps on the page Runs.",
}


def headlines(document: Mapping[str, Any]) -> list[str]:
    """Return the sentences, the most urgent first."""
    return [
        *_rollbacks(document),
        *_movers(document),
        *_targets(document),
        *_holds(document),
        *_quiet(document),
    ]


def _movers(document: Mapping[str, Any]) -> Iterator[str]:
    """Tell what is new, one line for each automation: its worst mover, why, what to do and who; the others by name."""
    by_automation: dict[str | None, list[Mapping[str, Any]]] = {}
    for mover in document["movers"]:
        if not mover["told"]:
            by_automation.setdefault(mover["automation"], []).append(mover)
    for first, *others in list(by_automation.values())[:_MOST_MOVERS]:
        also = ", ".join(dict.fromkeys(f"{_label(each)} ({_way(each)})" for each in others))
        more = f" Also: {also}." if also else ""
        yield f"{first['sentence']}{_layer(document, first)}{more}{_to_do(document, first)}"
    if len(by_automation) > _MOST_MOVERS:
        yield f"{len(by_automation) - _MOST_MOVERS} other automations moved, too: see What moved."


def _label(mover: Mapping[str, Any]) -> str:
    return KINDS[mover["measure"]].label.partition(" (")[0]


def _way(mover: Mapping[str, Any]) -> str:
    return "worse" if mover["worse"] else "better"


def _to_do(document: Mapping[str, Any], mover: Mapping[str, Any]) -> str:
    if not mover["worse"]:
        return ""
    layer = layer_of(document, mover["automation"]) if mover["measure"] in _OUTCOMES else None
    if mover["cause"]:
        todo = _TO_DO.get(mover["cause"]["what"], "Look at the change.")
    elif mover["reason"] and mover["reason"]["kind"] == "model":
        todo = "Ask its provider, or let the policy route to another model."
    else:
        todo = _OF_LAYER.get(layer["layer"] if layer else "", "Read the runs below.")
    card: Mapping[str, Any] = next(
        (each for each in document["scorecards"] if each["automation"] == mover["automation"]), {}
    )
    who = f" Owner: {card['owner']}." if card.get("owner") else ""
    return f" To do: {todo}{who}"


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
        waited = "1 held output waited past its" if late == 1 else f"{late} held outputs waited past their"
        yield f"{waited} deadline when the week ended."


def _quiet(document: Mapping[str, Any]) -> Iterator[str]:
    if not document["volume"].get("calls"):
        yield "No call was recorded in this week."
    elif all(mover["told"] for mover in document["movers"]):
        yield "Nothing moved further than chance explains."
