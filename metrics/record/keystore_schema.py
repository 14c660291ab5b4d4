"""The tables of the key store, and how the index of an older one is taken over."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

FIND = "INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?, ?)"
MOVE = """INSERT OR IGNORE INTO found SELECT d.number, v.value_hmac, v.kind, v.event_id, s.number
    FROM value_index v JOIN keys d USING (key_id)
    LEFT JOIN keys s ON s.tenant = v.tenant AND s.subject_ref = v.subject_ref
    WHERE v.subject_ref IS NULL OR s.number IS NOT NULL"""
DESTROY = (
    "DELETE FROM found WHERE day_key = (SELECT number FROM keys WHERE key_id = ?)",
    "DELETE FROM found WHERE subject_key = (SELECT number FROM keys WHERE key_id = ?)",
    "DELETE FROM subjects WHERE subject_ref = (SELECT subject_ref FROM keys WHERE key_id = ?)",
    "DELETE FROM keys WHERE key_id = ?",
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    number INTEGER PRIMARY KEY,  -- rows are only appended, so no page is rebuilt around a key
    key_id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, subject_ref TEXT NOT NULL, retention_class TEXT NOT NULL,
    day TEXT NOT NULL, created_us INTEGER NOT NULL, wrapped BLOB NOT NULL,
    UNIQUE (tenant, subject_ref, retention_class, day));
CREATE TABLE IF NOT EXISTS subjects (
    tenant TEXT NOT NULL, subject_hmac BLOB NOT NULL, subject_ref TEXT NOT NULL UNIQUE,
    PRIMARY KEY (tenant, subject_hmac));
CREATE TABLE IF NOT EXISTS found (
    day_key INTEGER NOT NULL,  -- the number of the day's key: the rows go with it, and stand together until then
    value_hmac TEXT NOT NULL, kind TEXT NOT NULL, event_id TEXT NOT NULL,
    subject_key INTEGER,  -- the number of the subject's key: a page that is rebuilt keeps copies of what stood in it
    PRIMARY KEY (day_key, value_hmac, kind, event_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS found_subject ON found (subject_key) WHERE subject_key IS NOT NULL;
"""


def placed(
    rows: Iterable[tuple[str, str, str, str | None, str]], number: Callable[[str], tuple[Any, ...] | None]
) -> Iterator[tuple[Any, ...]]:
    """Yield rows for `found`; none for what was found in content whose keys are destroyed. `number` looks up a key."""
    for value, kind, event_id, subject, day in rows:
        day_key, subject_key = number(day), number(subject) if subject else (None,)
        if day_key and subject_key:
            yield (*day_key, value, kind, event_id, *subject_key)
