"""Takes a backup while everything runs: copied in an order in which each part finds what it refers to in the next.

Control database (its outbox is journalled again by id), audit tree, order of records, journal, queue, key store.
What is recorded before the backup begins is in it; a record that comes meanwhile may be.
"""

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gateway.backup.manifest import FILE, BackupError, Manifest, described
from gateway.control.copying import copy_out
from gateway.control.database import Database, Note
from gateway.control.identity.roles import LOCAL_OPERATOR
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.migrations import STEPS
from gateway.machine.running import LAST_BACKUP, private
from gateway.settings import Settings
from metrics.proof.erasure import LIST_FILE, ErasureList, read_list
from metrics.proof.signer import Signer
from metrics.proof.store import TreeStore
from metrics.record.fileops import make_folder, sync_data, sync_folder
from metrics.record.master import MasterKey

PREFIX: Final = "sluice-"
CONTROL, KEYS, POLICIES, QUEUE = "control.db", "keys/keystore.sqlite", "policies", "queue.db"
_PARTIAL: Final = ".partial"
# In this order. Lines that are being written are left out: nobody was told of them yet.
_JOURNAL: Final = (
    "audit/checkpoints",
    "audit/leaves",
    "audit/hashes",
    "journal/order",
    "journal/meta",
    "journal/content",
)
_BLOCK: Final = 1 << 20


def backup(settings: Settings, database: Database, master: MasterKey, folder: Path) -> Path:
    """Add a backup to a folder of backups; return its own folder, which has its name only once it is whole.

    Raises:
        BackupError: another one is being made there, or nothing was recorded yet.
        OSError: it could not be written.
    """
    if not (settings.data / KEYS).exists():
        raise BackupError(f"There is nothing to back up in {settings.data}: no gateway ever ran there.")
    make_folder(folder)
    with _alone(folder):
        for left in folder.glob(f".{PREFIX}*{_PARTIAL}"):  # of one that was killed
            shutil.rmtree(left)
        now = datetime.fromtimestamp(database.clock_us() / 1e6, UTC)
        name = f"{PREFIX}{now:%Y%m%dT%H%M%S%fZ}"
        partial = folder / f".{name}{_PARTIAL}"
        make_folder(partial)
        _fill(settings, database, master, partial, name)
        _renew_list(settings.data, folder)
        partial.rename(folder / name)
        sync_folder(folder)
    _remember(settings.data, database, folder / name)
    return folder / name


def _fill(settings: Settings, database: Database, master: MasterKey, partial: Path, name: str) -> None:
    at = copy_out(database, partial / CONTROL)
    for part in _JOURNAL:
        for source in sorted((settings.data / part).rglob("*")):
            if source.is_file() and not source.name.startswith("."):
                copy_file(source, partial / source.relative_to(settings.data))
    if (settings.data / QUEUE).exists():
        _copy_sqlite(settings.data / QUEUE, partial / QUEUE)
    _copy_sqlite(settings.data / KEYS, partial / KEYS)
    for source in _policy_files(settings.policies):
        copy_file(source, partial / POLICIES / source.relative_to(settings.policies))
    files = {str(path.relative_to(partial)): described(path) for path in partial.rglob("*") if path.is_file()}
    made_at = datetime.fromtimestamp(database.clock_us() // 1_000_000, UTC).isoformat()
    manifest = Manifest(name, made_at, version("sluice"), at, tuple(STEPS), _records(partial, master), files)
    manifest.write(partial, master)
    for path in (partial / CONTROL, partial / KEYS, partial / FILE):
        _sync(path)
    for path in partial.rglob("*"):
        if path.is_dir():
            sync_folder(path)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file that may grow meanwhile, durably: of a file of lines, whole lines only."""
    make_folder(target.parent)
    try:
        reading = source.open("rb")
    except FileNotFoundError:  # it was compressed meanwhile, or its time was over
        packed = source.with_name(f"{source.name}.gz")
        if packed.exists():
            copy_file(packed, target.with_name(packed.name))
        return
    with reading, os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writing:
        shutil.copyfileobj(reading, writing, _BLOCK)
        writing.flush()
        if source.suffix == ".jsonl":
            os.ftruncate(writing.fileno(), _whole(target))
        sync_data(writing.fileno())


def _whole(path: Path) -> int:
    """Return where the last whole line of a file ends."""
    at = path.stat().st_size
    with path.open("rb") as file:
        while at > 0:
            start = max(0, at - _BLOCK)
            file.seek(start)
            found = file.read(at - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            at = start
    return 0


def _copy_sqlite(source: Path, target: Path) -> None:
    make_folder(target.parent)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=10)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")


def _policy_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a policy folder; its git is where it came from, and stays there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and ".git" not in path.relative_to(folder).parts:
            yield path


def _records(partial: Path, master: MasterKey) -> int:
    notes = list(TreeStore(partial / "audit", read_only=True).notes())
    return Signer(master).key.open(notes[-1]).size if notes else 0


def _renew_list(data: Path, folder: Path) -> None:
    """Keep the newest erasure list beside all backups, so that older ones are restored with it as well."""
    known = {each.erasure_id for each in read_list(folder / LIST_FILE)}
    beside = ErasureList(folder)
    for each in ErasureList(data).entries():
        if each.erasure_id not in known:
            beside.append(each)


def _remember(data: Path, database: Database, made: Path) -> None:
    """Leave an event, and for `sluice doctor` where the newest backup is."""
    with database.write() as tx:
        tx.record(Note("backup.made", DEFAULT_TENANT, LOCAL_OPERATOR, {"backup": made.name}))
        said = {"backup": str(made.absolute()), "at_us": tx.now_us}
    with open(data / LAST_BACKUP, "w", encoding="utf-8", opener=private) as file:
        json.dump(said, file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "a", opener=private) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackupError(f"Another backup is being made in {folder}.") from error
        yield


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        sync_data(file.fileno())
