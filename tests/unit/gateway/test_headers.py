"""Reflected values can neither split headers nor break the reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import headers
from gateway.wire.trace import begin


@given(st.text(max_size=60))
def test_any_text_becomes_a_printable_value(text: str) -> None:
    value = headers.value(text)
    assert value.decode("ascii").isprintable()


def chance(count: int) -> str:
    return "ab" * count


def test_the_callers_trace_goes_on() -> None:
    trace = begin(b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00", chance)
    assert trace.header == f"00-{'1' * 32}-{'ab' * 8}-00"
    assert trace.parent_id == "2" * 16


@pytest.mark.parametrize("given_header", [None, b"", b"junk", b"00-" + b"0" * 32 + b"-" + b"2" * 16 + b"-01"])
def test_without_a_trace_a_new_one_begins(given_header: bytes | None) -> None:
    trace = begin(given_header, chance)
    assert trace.header == f"00-{'ab' * 16}-{'ab' * 8}-01"
    assert trace.parent_id is None
