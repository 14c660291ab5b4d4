"""Inserts columns of Python values into tables, as Arrow arrays.

pyarrow's own way to make these imports pandas, which takes 50 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

_TEXT: Final = pa.large_string()  # a string's offsets end at 2 GB
_NUMBERS: Final = {pa.int64(): np.int64, pa.float64(): np.float64, pa.bool_(): np.bool_}

_FEW: Final = 100  # rows: so many are cheaper to insert one by one


class Inserts:
    """Inserts into some tables through one connection."""

    def __init__(self, db: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
        self._db = db
        self._appenders = {table: db.appender(table) for table in tables}  # dear to make
        self._offers = {table: _Offer(db.sql(f"FROM {table} LIMIT 0").to_arrow_table().schema) for table in tables}
        for table, offer in self._offers.items():
            db.register(f"new_{table}", offer)

    def insert(self, table: str, columns: Sequence[Sequence[Any]]) -> None:
        """Add rows. Raises `duckdb.Error`."""
        if len(columns[0]) < _FEW:
            self._appenders[table].append_rows(zip(*columns, strict=True))
            self._appenders[table].flush()
            return
        offer = self._offers[table]
        try:
            offer.rows = batch(columns, offer.schema)
        except OverflowError as problem:
            raise duckdb.Error(f"{table}: {problem}") from problem
        self._db.execute(f"INSERT INTO {table} FROM new_{table}")
        offer.rows = None

    def clear(self) -> None:
        """Forget rows that were refused."""
        for appender in self._appenders.values():
            appender.clear()


class _Offer:
    """What DuckDB reads when it is asked for the new rows of a table: registered once, for that costs a millisecond."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = pa.schema([(each.name, _TEXT if each.type == pa.string() else each.type) for each in schema])
        self.rows: pa.RecordBatch | None = None

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        rows = pa.Table.from_batches([self.rows] if self.rows else [], self.schema)
        return rows.__arrow_c_stream__(requested_schema)


def batch(columns: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return columns as one batch; each value has the type of its column or is None. Raises `OverflowError`."""
    arrays = [_array(column, each.type) for column, each in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)


def _array(column: Sequence[Any], kind: pa.DataType) -> pa.Array:
    missing, there = column.count(None), None
    if missing == len(column):
        return pa.nulls(missing, kind)
    if missing:
        there = _bits([value is not None for value in column])
        nothing = 0 if kind in _NUMBERS else ""
        column = [value or nothing for value in column]
    if kind in _NUMBERS:
        return pa.Array.from_buffers(kind, len(column), [there, _numbers(column, kind)])
    return pa.Array.from_buffers(_TEXT, len(column), [there, *_texts(column)])


def _numbers(column: Sequence[float], kind: pa.DataType) -> pa.Buffer:
    values: np.ndarray[Any, Any] = np.array(column, dtype=_NUMBERS[kind])
    return _bits(values) if kind == pa.bool_() else pa.py_buffer(values)


def _texts(column: Sequence[str]) -> list[pa.Buffer]:
    """Return where each text ends, and all texts."""
    joined = "".join(column)
    whole, lengths = joined.encode(), map(len, column)
    if len(whole) != len(joined):
        lengths = map(len, map(str.encode, column))
    ends = np.zeros(len(column) + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, len(column)), out=ends[1:])
    return [pa.py_buffer(ends), pa.py_buffer(whole)]


def _bits(values: Any) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
