import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.record.events import BadLineError, Event, decode, encode, salvage

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
events = st.builds(
    Event,
    event_id=texts,
    kind=texts,
    ts_us=st.integers(0, 2**52),
    tenant=texts,
    automation=st.none() | texts,
    run=st.none() | texts,
    subject_ref=st.none() | texts,
    body=st.dictionaries(texts, values, max_size=4),
)


@given(events)
def test_an_event_comes_back_as_it_was_written(event: Event) -> None:
    line = encode(event)
    assert decode(line) == event
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


@given(events, st.data())
def test_a_changed_byte_is_always_noticed(event: Event, data: st.DataObject) -> None:
    line = encode(event)
    at = data.draw(st.integers(0, len(line) - 1))
    bit = data.draw(st.integers(0, 7))
    with pytest.raises(BadLineError):
        decode(line[:at] + bytes([line[at] ^ (1 << bit)]) + line[at + 1 :])


@given(events, st.data())
def test_a_cut_line_is_always_noticed(event: Event, data: st.DataObject) -> None:
    line = encode(event)
    with pytest.raises(BadLineError):
        decode(line[: data.draw(st.integers(0, len(line) - 1))])


@given(events, events, st.data())
def test_a_whole_event_behind_half_a_line_is_saved(torn: Event, whole: Event, data: st.DataObject) -> None:
    half = encode(torn)[: data.draw(st.integers(1, len(encode(torn)) - 1))]
    start = salvage(half + encode(whole))
    assert start >= 0
    assert decode((half + encode(whole))[start:]) == whole


def test_values_that_are_no_json_do_not_cost_the_record() -> None:
    odd = Event("e", "k", 1, "t", body={"surrogate": "\ud800", "huge": 2**80, "bytes": b"x", "set": {1}, 5: "key"})  # type: ignore[dict-item]
    assert decode(encode(odd)).body == {
        "surrogate": "?",
        "huge": float(2**80),
        "bytes": "<bytes>",
        "set": "<set>",
        "5": "key",
    }


def test_an_event_of_a_later_schema_and_an_unknown_kind_survives() -> None:
    event = Event("e", "something.new", 1, "t", body={"x": 1}, schema=99)
    assert decode(encode(event)) == event
