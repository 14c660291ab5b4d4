"""Times as people type them: spans, dates and times become UTC microseconds."""

import click
import pytest

from gateway.commands.moments import moment_us, span_us, utc_text

NOW_US = 1_800_000_000_000_000


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("2h", 7200), ("30d", 2_592_000), ("1w", 604_800)])
def test_a_span_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert span_us("--expires", text) == seconds * 1_000_000
    assert moment_us("--since", text, NOW_US) == NOW_US - seconds * 1_000_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31T12:30", "2026-01-31T12:30:00Z"),
        ("2026-01-31T12:30+02:00", "2026-01-31T10:30:00Z"),
        ("2026-01-31T12:30Z", "2026-01-31T12:30:00Z"),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str, shown: str) -> None:
    assert utc_text(moment_us("--since", text, NOW_US)) == shown


@pytest.mark.parametrize("text", ["", "soon", "5", "5y", "-2h", "2026-13-01", "1000000d"])
def test_anything_else_is_refused_with_the_name_of_the_option(text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        moment_us("--since", text, NOW_US)
    assert caught.value.param_hint == "--since"
