"""Tables of a bundle: each row as typed values, as a JSON line and as a CSV line, with one hash for all three.

The hash of a row is SHA-256 of its cells as text, joined by the character 31, null being the character 0. In CSV a
text that a spreadsheet could take for a formula, and an empty one, begins with an apostrophe; null is an empty cell.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record.fileops import replace_whole

ROWS_PER_PART: Final = 10_000  # what is in memory at once
FORMATS: Final = ("csv", "jsonl", "parquet")
_KINDS: Final = {"BOOLEAN": "bool", "DOUBLE": "float", "FLOAT": "float", "VARCHAR": "text", "JSON": "text"}
_RISKY: Final = r"[=+\-@\t\r''\n]"  # one apostrophe, as SQL writes it

Values = Mapping[str, object]
Columns = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Source:
    """One table: its name, the question it answers, which rows it chooses (`seq` alone), and the bound values."""

    name: str
    sql: str
    chosen: str
    values: Values


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a table in one file of each format."""

    table: str
    number: int
    rows: int
    first_seq: int
    last_seq: int
    rows_sha256: str  # of the rows' hashes in hex, one after the other

    def path(self, format_: str) -> str:
        """Return its path inside the bundle."""
        return f"{self.table}/{self.number:05d}.{format_}"


def columns_of(cursor: duckdb.DuckDBPyConnection, source: Source) -> Columns:
    """Return name and kind (`text`, `int`, `float`, `bool`) of each column."""
    empty = cursor.execute(source.sql, dict(source.values) | {"from_seq": 1, "to_seq": 0})
    return [(name, _KINDS.get(str(kind), "int")) for name, kind, *_ in empty.description or ()]


def stretches(cursor: duckdb.DuckDBPyConnection, source: Source, rows: int = ROWS_PER_PART) -> list[tuple[int, int]]:
    """Return the first and last number of each part."""
    sql = f"""SELECT min(seq), max(seq) FROM (
        SELECT seq, (row_number() OVER (ORDER BY seq) - 1) // {rows} AS part FROM ({source.chosen})
    ) GROUP BY part ORDER BY part"""  # noqa: S608 - the question is one of ours
    return cursor.execute(sql, dict(source.values)).fetchall()


def write_part(
    cursor: duckdb.DuckDBPyConnection, source: Source, columns: Columns, number: int, ends: tuple[int, int], to: Path
) -> Part:
    """Write the rows between two numbers in all formats, durably."""
    values = dict(source.values) | {"from_seq": ends[0], "to_seq": ends[1]}
    table = cursor.sql(rendered(source.sql, columns), params=values).to_arrow_table().combine_chunks()
    hashes = "".join(table["row_sha256"].to_pylist())
    part = Part(source.name, number, table.num_rows, *ends, hashlib.sha256(hashes.encode()).hexdigest())
    (to / source.name).mkdir(parents=True, exist_ok=True)
    head = ",".join([*(name for name, _ in columns), "row_sha256"]) + "\n"
    replace_whole(to / part.path("jsonl"), lambda path: _lines(path, table["json_line"]))
    replace_whole(to / part.path("csv"), lambda path: _lines(path, table["csv_line"], head))
    typed = table.drop_columns(["json_line", "csv_line"]).replace_schema_metadata(None)
    replace_whole(to / part.path("parquet"), lambda path: pq.write_table(typed, path, compression="zstd"))
    return part


def rendered(sql: str, columns: Columns) -> str:
    """Return the question with each row's hash and its two lines beside its values."""
    texts = [f"t{at}" for at in range(len(columns))]  # each cell as text, made once
    cells = ", ".join(f"{_cell(*column)} AS {text}" for column, text in zip(columns, texts, strict=True))
    hashed = ", chr(31), ".join(f"coalesce({text}, chr(0))" for text in texts)
    members = ", ".join(_member(name, kind, text) for (name, kind), text in zip(columns, texts, strict=True))
    fields = ", ',', ".join(_field(kind, text) for (_, kind), text in zip(columns, texts, strict=True))
    names = ", ".join(f'"{name}"' for name, _ in columns)
    return f"""SELECT {names}, row_sha256,
        concat('{{', {members}, '"row_sha256":"', row_sha256, '"}}', chr(10)) AS json_line,
        concat({fields}, ',', row_sha256, chr(10)) AS csv_line
    FROM (SELECT *, sha256(concat({hashed})) AS row_sha256 FROM (SELECT *, {cells} FROM ({sql}))) ORDER BY seq"""  # noqa: S608


def _cell(name: str, kind: str) -> str:
    if kind == "float":
        return f'CASE WHEN isfinite("{name}") THEN "{name}"::VARCHAR END'
    return f'"{name}"::VARCHAR'


def _member(name: str, kind: str, cell: str) -> str:
    value = f"to_json({cell})::VARCHAR" if kind == "text" else cell
    return f"""CASE WHEN {cell} IS NULL THEN '' ELSE concat('"{name}":', {value}, ',') END"""


def _field(kind: str, cell: str) -> str:
    if kind != "text":
        return f"coalesce({cell}, '')"
    safe = f"CASE WHEN {cell} = '' OR regexp_matches({cell}, '^{_RISKY}') THEN '''' ELSE '' END"
    return f"""CASE WHEN {cell} IS NULL THEN '' ELSE concat('"', {safe}, replace({cell}, '"', '""'), '"') END"""


def _lines(path: Path, column: pa.ChunkedArray, head: str = "") -> None:
    """Write lines as they lie in memory one after the other, each with its end."""
    with path.open("wb") as file:
        file.write(head.encode())
        for lines in column.chunks:
            _, offsets, data = lines.buffers()
            ends = np.frombuffer(offsets, np.int32)[lines.offset : lines.offset + len(lines) + 1]
            file.write(memoryview(data)[ends[0] : ends[-1]])


def seqs_of(parts: list[Part], folder: Path) -> array[int]:
    """Return the numbers of all rows that were written, in their order."""
    found = [pq.read_table(folder / part.path("parquet"), columns=["seq"])["seq"].to_numpy() for part in parts]
    return array("q", np.sort(np.concatenate([np.empty(0, np.int64), *found])).tobytes())
