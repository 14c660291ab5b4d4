"""What an erasure destroys, how each store answers for it, and the list that a restored backup applies again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from metrics.record.blank import blank_events
from metrics.record.events import BadLineError, checked, checksummed
from metrics.record.fileops import make_folder, sync_data, sync_folder
from metrics.record.keystore import KeyStore

LIST_FILE = "erasures.jsonl"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to go, by random ids only: whole subjects, single records, and single sealed items as (kind, id).

    `since` is the day before which the content of the records cannot stand.
    """

    tenant: str
    subject_refs: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    since: str = ""
    items: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @staticmethod
    def of(value: Mapping[str, Any]) -> Target:
        """Read what `to_json` returned."""
        subjects, events = (tuple(value.get(name, ())) for name in ("subject_refs", "event_ids"))
        items = tuple((kind, item) for kind, item in value.get("items", ()))
        return Target(value["tenant"], subjects, events, value.get("since", ""), items)


@dataclass(frozen=True, slots=True)
class Ack:
    """What a store destroyed, counted by name; `note` says what it cannot reach."""

    store: str
    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def empty(self) -> bool:
        """Say whether there was nothing (left) to destroy."""
        return not any(self.counts.values())


class Store(Protocol):
    """A place that may hold something about a person."""

    @property
    def name(self) -> str:
        """The name in receipts."""
        ...

    def erase(self, target: Target) -> Ack:
        """Destroy everything of the target, durably. Idempotent: a second time counts zero."""
        ...


class Content:
    """Sealed content: labelled frames go with their subject's key, single ones are overwritten in their day's file."""

    name = "content"

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    def erase(self, target: Target) -> Ack:
        """Overwrite the frames of the named records. Raises `OSError`."""
        found = blank_events(self._journal, target.since, frozenset(target.event_ids))
        return Ack(self.name, {"frames": found}, "frames of a subject stay as ciphertext whose key is destroyed")


class Keys:
    """The key store: keys, the map from subject ids, the index of values."""

    name = "keystore"

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore

    def erase(self, target: Target) -> Ack:
        """Destroy keys and index rows. Raises `KeyStoreError` when its log is in use."""
        done = self._keystore.erase(*target.subject_refs)
        rows = self._keystore.forget_events(target.event_ids) if target.event_ids else 0
        return Ack(self.name, {"keys": done.keys, "subjects": done.subjects, "index_rows": done.index_rows + rows})


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the erasure list."""

    erasure_id: str
    ts_us: int
    target: Target


class ErasureList:
    """Append-only, ids only. Keep a copy with the backups: a restore applies every line before anything is served."""

    def __init__(self, data: Path) -> None:
        self._path = data / LIST_FILE  # beside the databases, so that a restored one does not bring an older list

    def append(self, listed: Listed) -> bool:
        """Add an erasure, durably; tell whether it was missing. Raises `OSError`."""
        if any(each.erasure_id == listed.erasure_id for each in self.entries()):
            return False
        make_folder(self._path.parent)
        value = {"erasure_id": listed.erasure_id, "ts_us": listed.ts_us, "target": listed.target.to_json()}
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, b"\n" * _torn(fd) + checksummed(orjson.dumps(value)))
            sync_data(fd)
        finally:
            os.close(fd)
        sync_folder(self._path.parent)
        return True

    def entries(self) -> list[Listed]:
        """Return all erasures, the oldest first; a line that a crash tore was written again after it."""
        return list(read_list(self._path))


def read_list(path: Path) -> Iterable[Listed]:
    """Read an erasure list, or a copy of one; no file is an empty list."""
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        try:
            value = checked(line)
        except BadLineError:
            continue
        yield Listed(value["erasure_id"], value["ts_us"], Target.of(value["target"]))


def apply_list(entries: Iterable[Listed], stores: Iterable[Store]) -> list[Ack]:
    """Erase again everything on a list, as a restore must before it serves; return what was still there."""
    places = tuple(stores)
    acks = [store.erase(listed.target) for listed in entries for store in places]
    return [ack for ack in acks if not ack.empty]


def _torn(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"
