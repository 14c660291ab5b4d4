"""What is counted of records, and that no record can spoil or blow up the totals."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metrics.record.events import Event, decode, encode
from metrics.record.otel_instruments import HISTOGRAM, MAX_SERIES, Family, Instrument, Point, Spec, Words
from metrics.record.otel_meters import CALLS, COST, DURATION, ENTITIES, GAPS, TOKENS, USAGE, Meters
from metrics.record.prometheus import of_tenant, render
from metrics.record.reader import Line
from metrics.record.rows import Columns, Rows

BODY: dict[str, Any] = {
    "endpoint": "chat.completions",
    "outcome": "ok",
    "verdict": "pass",
    "provider": "openai",
    "model_requested": "gpt-test",
    "usage": {"input_tokens": 10, "cached_input_tokens": 5, "output_tokens": 7, "reasoning_tokens": 3},
    "cost_usd": 0.5,
    "total_ms": 320.0,
    "entities": {"request": {"EMAIL_ADDRESS": 2}, "answer": {}},
}


def end(tenant: str = "acme", automation: str | None = "triage", **body: Any) -> Event:
    return Event("call_1.e", "call.end", 1, tenant, automation, body=BODY | body)


def columns(*events: Event) -> Columns:
    rows = Rows()
    for seq, event in enumerate(events, 1):
        rows.add(seq, "s", Line(0, 1, decode(encode(event))))
    return rows.columns()


def counted(*events: Event) -> dict[str, Family]:
    meters = Meters()
    meters.take(columns(*events))
    return {family.spec.name: family for family in meters.families()}


def values(family: Family) -> dict[tuple[str, ...], float]:
    return {point.labels: point.value for point in family.points}


def test_a_call_is_counted_by_automation_outcome_and_verdict() -> None:
    found = counted(end(), end(), end(outcome="refused", verdict=None))
    assert values(found[CALLS.name]) == {("acme", "triage", "ok", "pass"): 2, ("acme", "triage", "refused", ""): 1}
    assert values(found[COST.name]) == {("acme", "triage", "openai", "gpt-test"): 1.5}
    assert values(found[ENTITIES.name]) == {("acme", "triage", "request", "EMAIL_ADDRESS"): 6}


def test_tokens_of_each_type_add_up_to_input_and_output() -> None:
    found = counted(end())
    types = {labels[-1]: value for labels, value in values(found[TOKENS.name]).items()}
    assert types == {"input": 10, "cached_input": 5, "output": 7, "reasoning": 3}
    totals = {labels[-1]: value for labels, value in values(found[USAGE.name]).items()}
    assert totals == {"input": 15, "output": 10}


def test_gaps_count_the_events_they_stand_for() -> None:
    gap = Event("g", "gap", 1, "acme", body={"what": "lost", "events": 12})
    assert values(counted(gap, gap)[GAPS.name]) == {("lost",): 24}


def test_a_value_on_a_bound_is_inside_its_bucket() -> None:
    (point,) = counted(end(total_ms=320.0))[DURATION.name].points
    assert DURATION.bounds[point.counts.index(1)] == 0.32


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*BODY, "attempts", "stages_us", "error_code", "ttft_ms"]), json_values))
def test_no_record_can_stop_the_counting_or_make_a_total_go_down(body: dict[str, Any]) -> None:
    meters = Meters()
    for event in (end(), end(**body)):
        meters.take(columns(event))
    families = meters.families()
    assert all(point.value >= 0 for family in families for point in family.points)
    assert sum(values(next(f for f in families if f.spec is CALLS)).values()) == 2
    render(families)


def test_made_up_names_do_not_make_ever_more_series() -> None:
    events = [end(model_requested=f"made-up-{n}", automation=f"a{n}") for n in range(3 * MAX_SERIES)]
    found = counted(*events)
    assert all(len(family.points) <= MAX_SERIES + 1 for family in found.values())
    assert sum(values(found[CALLS.name]).values()) == 3 * MAX_SERIES
    assert values(found["sluice.telemetry.overflow"])[()] > 0


def test_a_long_value_is_cut() -> None:
    assert len(Words().fit("sluice.automation", "x" * 5000)) == 100


def test_the_text_format() -> None:
    spec = Spec("sluice.test.time", HISTOGRAM, "A test.", ("sluice.tenant",), "s", (0.5, 1.0))
    instrument = Instrument(spec, Words())
    instrument.observe((0.1, 0.7, 9), 'a"b\\c\nd')
    assert render([instrument.family()]).splitlines() == [
        "# HELP sluice_test_time_seconds A test.",
        "# TYPE sluice_test_time_seconds histogram",
        'sluice_test_time_seconds_bucket{sluice_tenant="a\\"b\\\\c\\nd",le="0.5"} 1',
        'sluice_test_time_seconds_bucket{sluice_tenant="a\\"b\\\\c\\nd",le="1"} 2',
        'sluice_test_time_seconds_bucket{sluice_tenant="a\\"b\\\\c\\nd",le="+Inf"} 3',
        'sluice_test_time_seconds_sum{sluice_tenant="a\\"b\\\\c\\nd"} 9.8',
        'sluice_test_time_seconds_count{sluice_tenant="a\\"b\\\\c\\nd"} 3',
    ]


def test_every_line_has_the_form_that_scrapers_read() -> None:
    text = render(counted(end(attempts=[{"provider": "openai", "model": "m", "total_ms": 3}])).values())
    sample = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+-]+')
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines
    assert not [line for line in lines if not sample.fullmatch(line)]


def test_one_tenant_sees_its_own_series_and_those_of_the_machine() -> None:
    found = counted(end("acme"), end("rival"))
    assert {labels[0] for labels in values(of_tenant(found[CALLS.name], "acme"))} == {"acme"}
    assert of_tenant(found[GAPS.name], "acme") == found[GAPS.name]
    assert of_tenant(Family(CALLS, [Point(("rival", "x", "ok", "pass"), 1.0)]), "acme").points == []
