"""The one erasable store: keys of content, the map from subjects to references, the index of found values.

A plain SQLite file. Deleted bytes are overwritten (`secure_delete`), and after each erasure the file is written anew
and its write-ahead log emptied, so what is destroyed here is gone; keys are wrapped by the master key besides.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from metrics.record.fileops import file_at, make_folder
from metrics.record.ids import Clock, utc_us
from metrics.record.keytext import KEY_BYTES
from metrics.record.master import MasterKey
from metrics.record.refusals import KeysError
from metrics.record.value_index import DESTROY, ERASE, FORGET, KINDS, LOOK_UP, IndexRow, add, take_over
from metrics.record.value_index import SCHEMA as INDEX_SCHEMA

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    number INTEGER PRIMARY KEY,  -- rows are only appended, so no page is rebuilt around a key
    key_id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, subject_ref TEXT NOT NULL, retention_class TEXT NOT NULL,
    day TEXT NOT NULL, created_us INTEGER NOT NULL, wrapped BLOB NOT NULL,
    UNIQUE (tenant, subject_ref, retention_class, day));
CREATE TABLE IF NOT EXISTS subjects (
    tenant TEXT NOT NULL, subject_hmac BLOB NOT NULL, subject_ref TEXT NOT NULL UNIQUE,
    PRIMARY KEY (tenant, subject_hmac));
"""


class KeyStoreError(KeysError, RuntimeError):
    """The key store cannot be used with this master key, or an erasure could not be finished."""


@dataclass(frozen=True, slots=True)
class Key:
    """A content key; `cipher` is ready for use."""

    key_id: str
    cipher: AESGCM


class DayKey(NamedTuple):
    """What the key of a day, tenant and retention class seals."""

    key_id: str
    tenant: str
    retention_class: str
    day: str


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows an erasure destroyed. A second erasure of the same subject counts zero."""

    keys: int
    subjects: int
    index_rows: int


class KeyStore:
    """Safe for several threads and processes; every transaction is short.

    A change is made only while the file is at its place: keys and erasures in one that was removed are nobody's.
    """

    def __init__(self, path: Path, master: MasterKey, clock: Clock = utc_us, durable: bool = True) -> None:
        make_folder(path.parent)
        self._clock = clock
        self._cipher = AESGCM(master.derive("keystore/wrap"))
        self._subject_key = master.derive("keystore/subjects")
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._path, self._file = path, file_at(path)
        try:
            self._set_up(durable)
        except BaseException:
            self._db.close()
            raise

    def _set_up(self, durable: bool) -> None:
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with self.transaction():
                for statement in (_SCHEMA + INDEX_SCHEMA).split(";"):
                    self._db.execute(statement)
                take_over(self._db)
        except sqlite3.Error as problem:
            raise KeyStoreError(f"the key store cannot be opened: {problem}") from problem
        self._check_master()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group the calls inside into one durable commit."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._check_place()
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    def _check_place(self) -> None:
        if file_at(self._path) != self._file:
            raise sqlite3.OperationalError(f"the key store is not there any more: {self._path}")

    def day_key(self, tenant: str, retention_class: str, day: str) -> Key:
        """Return the key of a day, tenant and retention class, made at first use."""
        return self._key(tenant, "", retention_class, day)

    def subject_key(self, tenant: str, subject: str) -> tuple[str, Key]:
        """Return a subject's random reference and key, made at first use."""
        known = self.find_subject(tenant, subject)
        if known and (key := self._made((tenant, known, "", ""))):
            return known, key
        with self.transaction():
            known = self.find_subject(tenant, subject)
            ref = known or f"sub_{secrets.token_hex(16)}"
            if not known:
                self._db.execute("INSERT INTO subjects VALUES (?, ?, ?)", (tenant, self._hmac(tenant, subject), ref))
            return ref, self._key(tenant, ref, "", "")

    def find_subject(self, tenant: str, subject: str) -> str | None:
        """Return a subject's reference if the subject is known."""
        sql = "SELECT subject_ref FROM subjects WHERE tenant = ? AND subject_hmac = ?"
        row = self._one(sql, (tenant, self._hmac(tenant, subject)))
        return row[0] if row else None

    def key(self, key_id: str) -> Key | None:
        """Return a key by its id, or nothing once it is destroyed."""
        row = self._one("SELECT key_id, wrapped FROM keys WHERE key_id = ?", (key_id,))
        return self._unwrap(row[0], row[1]) if row else None

    def index(self, rows: Sequence[IndexRow]) -> None:
        """Remember found values; a row that is there already changes nothing."""
        if rows:
            with self.transaction():
                add(self._db, rows)

    def found(self, tenant: str, kind: str, value_hmac: str) -> list[tuple[str, str | None, str]]:
        """Return every event in whose content a value was found, its subject and the first day it can stand on."""
        with self._lock:
            return self._db.execute(LOOK_UP, (value_hmac, kind, tenant)).fetchall()

    def kinds(self) -> list[str]:
        """Return the kinds of values that the index knows."""
        with self._lock:
            return [row[0] for row in self._db.execute(KINDS)]

    def epoch(self) -> int:
        """Return a number that grows with each erasure, so that caches of keys know when to forget."""
        row = self._one("SELECT value FROM facts WHERE name = 'epoch'", ())
        return int(row[0]) if row else 0

    def erase(self, *subject_refs: str) -> Erased:
        """Destroy the keys of subjects, their entries in the map and their rows of the index. Idempotent."""
        with self.transaction():
            erased = Erased(
                index_rows=self._delete_each(ERASE, subject_refs),
                keys=self._delete_each("DELETE FROM keys WHERE subject_ref = ? AND subject_ref <> ''", subject_refs),
                subjects=self._delete_each("DELETE FROM subjects WHERE subject_ref = ?", subject_refs),
            )
            self._bump()
        self._scrub()
        return erased

    def destroy(self, key_ids: Sequence[str]) -> int:
        """Destroy single keys, and what the map and the index say of them; return how many keys."""
        with self.transaction():
            destroyed = [self._delete_each(statement, key_ids) for statement in DESTROY][-1]
            self._bump()
        self._scrub()
        return destroyed

    def forget_events(self, event_ids: Sequence[str]) -> int:
        """Drop what the index says of events; return how many rows. The keys stay."""
        with self.transaction():
            forgotten = self._delete_each(FORGET, [orjson.dumps(event_ids).decode()])
        self._scrub()
        return forgotten

    def day_keys(self) -> list[DayKey]:
        """Return the keys of days that were not destroyed."""
        sql = "SELECT key_id, tenant, retention_class, day FROM keys WHERE subject_ref = '' ORDER BY day, key_id"
        with self._lock:
            return [DayKey(*row) for row in self._db.execute(sql)]

    def subjects_before(self, created_us: int) -> set[str]:
        """Return the references of subjects that were first seen before a time."""
        sql = "SELECT subject_ref FROM keys WHERE subject_ref <> '' AND created_us < ?"
        with self._lock:
            return {row[0] for row in self._db.execute(sql, (created_us,))}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _key(self, tenant: str, subject_ref: str, retention_class: str, day: str) -> Key:
        scope = (tenant, subject_ref, retention_class, day)
        if key := self._made(scope):  # without the lock that others write under
            return key
        with self.transaction():
            if key := self._made(scope):
                return key
            key_id, secret = f"k_{secrets.token_hex(12)}", secrets.token_bytes(KEY_BYTES)
            sql = """INSERT INTO keys (key_id, tenant, subject_ref, retention_class, day, created_us, wrapped)
                     VALUES (?, ?, ?, ?, ?, ?, ?)"""
            self._db.execute(sql, (key_id, *scope, self._clock(), self._wrap(key_id, secret)))
            return Key(key_id, AESGCM(secret))

    def _made(self, scope: tuple[str, str, str, str]) -> Key | None:
        sql = """SELECT key_id, wrapped FROM keys
                 WHERE tenant = ? AND subject_ref = ? AND retention_class = ? AND day = ?"""
        row = self._one(sql, scope)
        return self._unwrap(row[0], row[1]) if row else None

    def _wrap(self, key_id: str, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher.encrypt(nonce, secret, key_id.encode())

    def _unwrap(self, key_id: str, wrapped: bytes) -> Key:
        return Key(key_id, AESGCM(self._opened(key_id, wrapped)))

    def _opened(self, key_id: str, wrapped: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], key_id.encode())
        except InvalidTag as problem:
            raise KeyStoreError("the key store was made with another master key (SLUICE_MASTER_KEY)") from problem

    def _check_master(self) -> None:
        """Refuse another master key now, instead of at the first old frame."""
        with self.transaction():
            row = self._one("SELECT value FROM facts WHERE name = 'check'", ())
            if row:
                self._opened("check", row[0])
            else:
                sql = "INSERT INTO facts VALUES ('check', ?), ('epoch', 0), ('schema', 1)"
                self._db.execute(sql, (self._wrap("check", bytes(KEY_BYTES)),))

    def _hmac(self, tenant: str, subject: str) -> bytes:
        return hmac.digest(self._subject_key, f"{tenant}\0{subject}".encode("utf-8", "replace"), sha256)

    def _delete_each(self, sql: str, values: Sequence[str]) -> int:
        deleted = sum(self._db.execute(sql, (value,)).rowcount for value in values)
        if deleted:
            self._db.execute("PRAGMA user_version = 1")  # with the rows: a crash before the scrub is made good
        return deleted

    def _bump(self) -> None:
        self._db.execute("UPDATE facts SET value = value + 1 WHERE name = 'epoch'")

    def _one(self, sql: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
            return row

    def _scrub(self) -> None:
        """Leave no copy of deleted rows: pages that SQLite rebuilt keep old bytes until the file is written anew."""
        with self._lock:
            if self._one("PRAGMA user_version", ()) == (0,):
                return
            self._db.execute("VACUUM")
            self._empty_log()
            self._db.execute("PRAGMA user_version = 0")

    def _empty_log(self, attempts: int = 50) -> None:
        """Empty the write-ahead log; readers in other processes hold it for milliseconds at most."""
        for _ in range(attempts):
            with self._lock:
                busy, *_rest = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            time.sleep(0.1)
        raise KeyStoreError("the write-ahead log of the key store is in use; erase again to finish")
