"""Data minimisation: what is dropped is gone everywhere, what is kept is all that stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.blocks_data import Minimise
from policy.minimise import minimised

NAMES = st.sampled_from(["a", "b", "c"])
JSON = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the names above and at every field, lists walked through."""
    if isinstance(value, list):
        for item in value:
            yield from paths(item, above)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield (*above, name)
            yield from paths(inner, (*above, name))


@given(value=JSON)
def test_a_dropped_path_is_nowhere_and_everything_else_is_untouched(value: Any) -> None:
    out, gone = minimised(Minimise(drop=("a.b",)), value)
    assert ("a", "b") not in set(paths(out))
    assert gone.get("a.b", 0) == list(paths(value)).count(("a", "b"))
    if not gone:
        assert out == value


@given(value=st.dictionaries(NAMES, JSON, max_size=3))
def test_only_kept_paths_stay(value: Any) -> None:
    out, _ = minimised(Minimise(keep=("a.b", "c")), value)
    for path in paths(out):
        assert path[0] == "c" or path[:2] == ("a", "b") or path == ("a",)
    assert out.get("c") == value.get("c")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$.*.x", {"a": {"x": 1, "y": 2}, "b": {"x": 3}}, {"a": {"y": 2}, "b": {}}),
        ("$.a", {"a": 1, "b": 2}, {"b": 2}),
        ("items[*].x", {"items": [{"x": 1}, {"y": 2}]}, {"items": [{}, {"y": 2}]}),
        ("a.b.c", {"a": 1}, {"a": 1}),
        ("a", [{"a": 1}, {"b": 2}], [{}, {"b": 2}]),
    ],
)
def test_paths(path: str, value: Any, expected: Any) -> None:
    assert minimised(Minimise(drop=(path,)), value)[0] == expected
