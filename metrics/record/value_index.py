"""The index of found values in the key store: in which events' content a value was found.

The rows of a day's key stand in parts, each ordered by value and filled before the next is begun. A value's hash is
random, so that in one tree for the whole day nearly each new row would have a page of its own to be read and written.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

# A part of this size is 2 MB of pages that stay at hand while it is filled. A day of a million calls has some 200 of
# them, and looking a value up in one takes a few microseconds.
PART_ROWS: Final = 20_000

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS found_values (
    day_key INTEGER NOT NULL,  -- the number of the day's key: the rows go with it, and stand together until then
    part INTEGER NOT NULL, value_hmac TEXT NOT NULL, kind TEXT NOT NULL, event_id TEXT NOT NULL,
    subject_key INTEGER,  -- the number of the subject's key: a page that is rebuilt keeps copies of what stood in it
    PRIMARY KEY (day_key, part, value_hmac, kind, event_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS found_values_subject ON found_values (subject_key) WHERE subject_key IS NOT NULL;
CREATE TABLE IF NOT EXISTS found_parts (
    day_key INTEGER NOT NULL, part INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (day_key, part)) WITHOUT ROWID;
"""
# How the index of an older key store is taken over, by the name of its table.
OLDER: Final = {
    "found": "INSERT INTO found_values SELECT day_key, 0, value_hmac, kind, event_id, subject_key FROM found",
    "value_index": """INSERT OR IGNORE INTO found_values
        SELECT d.number, 0, v.value_hmac, v.kind, v.event_id, s.number FROM value_index v JOIN keys d USING (key_id)
        LEFT JOIN keys s ON s.tenant = v.tenant AND s.subject_ref = v.subject_ref
        WHERE v.subject_ref IS NULL OR s.number IS NOT NULL""",
}
_COUNT_PARTS = "INSERT OR REPLACE INTO found_parts SELECT day_key, part, count(*) FROM found_values GROUP BY 1, 2"

DESTROY: Final = (
    "DELETE FROM found_values WHERE day_key = (SELECT number FROM keys WHERE key_id = ?)",
    "DELETE FROM found_parts WHERE day_key = (SELECT number FROM keys WHERE key_id = ?)",
    "DELETE FROM found_values WHERE subject_key = (SELECT number FROM keys WHERE key_id = ?)",
    "DELETE FROM subjects WHERE subject_ref = (SELECT subject_ref FROM keys WHERE key_id = ?)",
    "DELETE FROM keys WHERE key_id = ?",
)
ERASE: Final = "DELETE FROM found_values WHERE subject_key IN (SELECT number FROM keys WHERE subject_ref = ?)"
FORGET: Final = "DELETE FROM found_values WHERE event_id IN (SELECT value FROM json_each(?))"
KINDS: Final = "SELECT DISTINCT kind FROM found_values ORDER BY kind"
# A row stands twice when a batch was read again after a crash and a new part had begun.
LOOK_UP: Final = """SELECT DISTINCT f.event_id, s.subject_ref, date(k.created_us / 1000000, 'unixepoch')
    FROM keys k CROSS JOIN found_parts p ON p.day_key = k.number
    CROSS JOIN found_values f ON f.day_key = p.day_key AND f.part = p.part AND f.value_hmac = ? AND f.kind = ?
    LEFT JOIN keys s ON s.number = f.subject_key
    WHERE k.tenant = ? AND k.subject_ref = ''"""


class IndexRow(NamedTuple):
    """One value that the redactor found in one event's content; the value itself only as its HMAC.

    The ids are those of the content's keys: once one of them is destroyed, the row is not kept.
    """

    value_hmac: str
    kind: str
    event_id: str
    subject_key_id: str | None
    day_key_id: str


def take_over(db: sqlite3.Connection) -> None:
    """Move the rows of older tables into the present ones. Call it within a transaction."""
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name, move in OLDER.items():
        if name in names:
            db.execute(move)
            db.execute(f"DROP TABLE {name}")
            db.execute(_COUNT_PARTS)


def add(db: sqlite3.Connection, rows: Iterable[IndexRow]) -> None:
    """Insert rows, but for those whose keys are destroyed. Call it within a transaction."""
    number = cache(lambda key_id: _one(db, "SELECT number FROM keys WHERE key_id = ?", key_id))
    of_day = attrgetter("day_key_id")
    for day_key_id, found in groupby(sorted(rows, key=attrgetter("day_key_id", "value_hmac")), of_day):
        if day_key := number(day_key_id):
            _fill(db, day_key[0], list(_placed(found, number)))


def _fill(db: sqlite3.Connection, day_key: int, rows: Sequence[tuple[Any, ...]]) -> None:
    latest = "SELECT part, rows FROM found_parts WHERE day_key = ? ORDER BY part DESC LIMIT 1"
    part, filled = _one(db, latest, day_key) or (0, 0)
    part += filled >= PART_ROWS
    db.executemany(
        "INSERT OR IGNORE INTO found_values VALUES (?, ?, ?, ?, ?, ?)", [(day_key, part, *row) for row in rows]
    )
    counted = "INSERT INTO found_parts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows"
    db.execute(counted, (day_key, part, len(rows)))


def _placed(rows: Iterable[IndexRow], number: Callable[[str], tuple[Any, ...] | None]) -> Iterator[tuple[Any, ...]]:
    for value, kind, event_id, subject, _ in rows:
        if subject_key := number(subject) if subject else (None,):
            yield (value, kind, event_id, *subject_key)


def _one(db: sqlite3.Connection, sql: str, value: object) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = db.execute(sql, (value,)).fetchone()
    return row
