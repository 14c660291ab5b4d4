"""Builds one week's review as JSON; it depends on its inputs and the ledger at one record, and on nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

import orjson

from metrics.health.measures import Ask, Span, Value, evaluate
from metrics.health.moved import Mover, Subject
from metrics.health.movers import week_movement
from metrics.health.review.headlines import headlines
from metrics.health.review.inputs import Inputs
from metrics.health.review.standing import Figures, bounds, figures
from metrics.health.review.weeks import week_span, weeks_up_to
from metrics.health.review.words import shown
from metrics.health.sentences import change_sentence, mover_sentence, visible_sentence
from policy.values import seconds_of

FORMAT: Final = 4
TREND_WEEKS: Final = 8
_DIGITS: Final = 9
_ALL: Final = 1_000_000
Json = dict[str, Any]


def build(ask: Ask, seq: int, inputs: Inputs) -> bytes:
    """Return the review as canonical JSON: the same bytes for the same ledger up to `seq` and the same inputs.

    Raises what `ask` raises, and `QueryError` when the inputs cannot be used.
    """
    span = week_span(inputs.week, inputs.tz)
    names = weeks_up_to(inputs.week, TREND_WEEKS, inputs.tz)
    trend = figures(ask, Span(week_span(names[0], inputs.tz).since_us, span.until_us, inputs.tz), "week")
    movement = week_movement(ask, span)
    document: Json = {"format": FORMAT, "week": inputs.week, "tz": inputs.tz, "seq": seq, "inputs": inputs.as_json()}
    document |= {"since_us": span.since_us, "until_us": span.until_us}
    document["volume"] = _volume(evaluate(ask, "volume", span))
    document["scorecards"] = scorecards(ask, span, inputs, names, trend)
    document["movers"] = [_mover(each, inputs.tz) for each in movement.movers]
    for card in document["scorecards"]:
        card["visible"] = _visible(movement.visible, card["automation"])
    document["changes"] = [_change(change_sentence(each, inputs.tz), each.automation) for each in movement.changes]
    faults = list(ask("faults", since=span.since_us, until=span.until_us, limit=_ALL).dicts())
    document["layers"] = layers(faults)
    document["runs"] = _worst(ask, span, faults)
    document["holds"] = list(ask("open_holds", until=span.until_us).dicts())
    document["cost"] = _cost(ask, span, names[-2], inputs.tz)
    document["redactions"] = [[v.part, int(v.value or 0)] for v in evaluate(ask, "redactions", span)]
    document["events"] = list(ask("notable", since=span.since_us, until=span.until_us).dicts())
    document["restated"] = restated(inputs.earlier, trend)
    document["agenda"] = agenda(ask, span, trend, inputs.week)
    document["headlines"] = headlines(document)
    return orjson.dumps(_plain(document), option=orjson.OPT_SORT_KEYS)


def scorecards(ask: Ask, span: Span, inputs: Inputs, names: list[str], trend: Figures) -> list[Json]:
    """Return a card for each automation that is registered or made calls, registered ones first."""
    registry = {str(each["automation"]): each for each in inputs.registry if each.get("stage") != "candidate"}
    seen = {automation for week, automation in trend if week in names[-2:] and automation is not None}
    minutes = {name: each["baseline"]["minutes_per_task"] for name, each in registry.items() if each.get("baseline")}
    known = {"by": "automation", "baselines": orjson.dumps(minutes).decode()}
    saved = {v.group: v.value for v in evaluate(ask, "time_saved", span, **known)}
    back = {v.group: v.value for v in evaluate(ask, "return_on_cost", span, **known)}
    volume = evaluate(ask, "volume", span, by="automation")
    counts = {(v.group, v.part): int(v.value or 0) for v in volume}
    cards, standing = [], {}
    for over in {each["over"] for entry in registry.values() for each in entry.get("rollback") or ()}:
        since_us = span.until_us - seconds_of(over) * 1_000_000
        standing[over] = figures(ask, Span(since_us, span.until_us, span.tz))
    for name in [*sorted(registry), *sorted(seen - set(registry))]:
        entry = registry.get(name, {})
        now, before = trend.get((names[-1], name), {}), trend.get((names[-2], name), {})
        card: Json = {"automation": name, "registered": name in registry}
        card |= {key: entry.get(key) for key in ("owner", "team", "purpose")}
        card |= {"runs": counts.get((name, "runs"), 0), "calls": counts.get((name, "calls"), 0)}
        card |= {"figures": _figures(now), "before": _figures(before)}
        card["trend"] = {week: _figures(trend.get((week, name), {})) for week in names}
        card |= {"targets": bounds(entry.get("targets") or (), now)}
        card |= {"rollback": _rollback(standing, name, entry.get("rollback") or ())}
        card |= {"saved_minutes": saved.get(name), "minutes_per_usd": back.get(name)}
        cards.append(card)
    return cards


def layers(faults: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return how many failed runs of each automation lie in which layer, the most first, with the usual reason."""
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in faults:
        reasons[row["automation"] or "", row["layer"]][row["reason"]] += 1
    counts = [
        {"automation": name, "layer": layer, "runs": said.total(), "reason": min(said, key=lambda r: (-said[r], r))}
        for (name, layer), said in reasons.items()
    ]
    return sorted(counts, key=lambda row: (row["automation"], -row["runs"], row["layer"]))


def _worst(ask: Ask, span: Span, faults: Iterable[Mapping[str, Any]]) -> list[Json]:
    known = {row["run_id"]: row for row in faults}
    rows = ask("worst_runs", since=span.since_us, until=span.until_us).dicts()
    return [row | {name: known.get(row["run_id"], {}).get(name) for name in ("layer", "reason")} for row in rows]


def restated(earlier: Iterable[Mapping[str, Any]], trend: Figures) -> list[Json]:
    """Return what late outcomes changed about weeks that were frozen before."""
    found = []
    for review in earlier:
        for automation, before in sorted(review["figures"].items()):
            now = trend.get((review["week"], automation), {})
            for objective, then in sorted(before.items()):
                value = now[objective].value if objective in now else None
                if then is not None and value is not None and shown(objective, then) != shown(objective, value):
                    named = {"week": review["week"], "revision": review["revision"], "automation": automation}
                    found.append({**named, "objective": objective, "then": then, "now": value})
    return found


def agenda(ask: Ask, span: Span, trend: Figures, week: str) -> list[Json]:
    """Return the actions that are open or were closed this week, with their measure when entered and now."""
    found = []
    for row in ask("agenda", until=span.until_us + 7 * 86_400_000_000).dicts():
        closed = row["closed_ts_us"]
        if row["week"] <= week and (closed is None or closed >= span.since_us):
            before, after = (
                trend.get((at, row["automation"]), {}).get(row["measure"]) if row["measure"] else None
                for at in (row["week"], week)
            )
            found.append({**row, "before": before and before.value, "after": after and after.value})
    return found


def figures_of(document: Mapping[str, Any]) -> Json:
    """Return a review's figures by automation and objective, as a later review takes them for restatements."""
    return {
        card["automation"]: {name: figure["value"] for name, figure in card["figures"].items()}
        for card in document["scorecards"]
    }


def _rollback(standing: Mapping[str, Figures], automation: str, criteria: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Judge each criterion over its own stretch of time up to the week's end."""
    return [row for each in criteria for row in bounds([each], standing[each["over"]].get((None, automation), {}))]


def _mover(mover: Mover, tz: str) -> Json:
    cause = mover.causes[0].change if mover.causes else None
    about = {"automation": mover.subject.automation, "measure": mover.subject.measure, "step": mover.subject.step}
    named = {"what": cause.what, "name": cause.name, "from": cause.old, "to": cause.new} if cause else None
    why = {"cause": named, "reason": asdict(mover.reason) if mover.reason else None}
    when = {"since_us": mover.since_us, "told": mover.told}
    return {**about, **why, **when, "worse": mover.worse, "sentence": mover_sentence(mover, tz)}


def _visible(found: Mapping[Subject, float], automation: str) -> list[str]:
    """Say of shares how small a change would have been seen; of the others the page Automations does."""
    shares = {s.measure: s for s in found if s.automation == automation and s.measure in ("success", "override")}
    return [visible_sentence(subject, found[subject]) for _, subject in sorted(shares.items(), reverse=True)]


def _change(sentence: str, automation: str | None) -> Json:
    return {"automation": automation, "sentence": sentence}


def _volume(values: Iterable[Value]) -> Json:
    return {each.part: int(each.value or 0) for each in values}


def _cost(ask: Ask, span: Span, last_week: str, tz: str) -> list[Json]:
    now, before = (evaluate(ask, "cost", at, by="automation") for at in (span, week_span(last_week, tz)))
    earlier = {(v.group, v.part): v.value for v in before}
    rows: dict[str | None, Json] = {}
    for value in now:
        row = rows.setdefault(value.group, {"automation": value.group, "unpriced": value.unknown or 0})
        row[value.part] = value.value
        row["before"] = earlier.get((value.group, "total"))
    return sorted(rows.values(), key=lambda row: (-(row.get("total") or 0.0), str(row["automation"])))


def _figures(found: Mapping[str, Any]) -> Json:
    return {name: figure._asdict() for name, figure in found.items()}


def _plain(value: Any) -> Any:
    """Round what arithmetic in another order would leave otherwise in its last digits."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
