import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from metrics.record.columns import batch

SCHEMA = pa.schema([("n", pa.int64()), ("x", pa.float64()), ("on", pa.bool_()), ("text", pa.string())])
ROWS = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.booleans(),
    st.none() | st.text(max_size=4),
)


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_a_batch_holds_the_values_it_was_made_of(rows: list[tuple[object, ...]]) -> None:
    made = batch(list(zip(*rows, strict=True)), SCHEMA)
    made.validate(full=True)
    assert [tuple(row.values()) for row in made.to_pylist()] == rows
