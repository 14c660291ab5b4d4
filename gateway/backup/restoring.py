"""Puts a backup in place: built and verified beside the data, then swapped in under a written intent.

A kill before the intent leaves everything as it was. After it no program of Sluice starts on the folder until the
swap is finished, so nothing ever serves a mixture.
"""

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import inspect, make_url, select

from gateway.backup.making import CONTROL, KEYS, POLICIES, PREFIX, QUEUE, copy_file
from gateway.backup.manifest import FILE, BackupError, Manifest, check, read
from gateway.backup.offering import offer_policies, offer_queue
from gateway.control import schema
from gateway.control.copying import copy_in, file_database
from gateway.control.database import Database, open_database
from gateway.control.errors import ControlError, ControlUnavailable
from gateway.control.migrations import STEPS, upgrade
from gateway.control.restoring import Later, later, settle
from gateway.machine.running import INTENT, make_data_folder, only_one, private
from gateway.settings import Settings
from gateway.trust.erasing import local_stores
from metrics.proof.erasure import LIST_FILE, ErasureList, Listed, apply_list, read_list
from metrics.proof.offline import verify
from metrics.proof.signer import Signer
from metrics.record.fileops import make_folder, sync_data, sync_folder
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from metrics.record.reader import has_writer

_SWAPPED: Final = ("journal", "audit", KEYS)
_MADE_AGAIN: Final = "ledger.duckdb*"
_SIDES: Final = ("", "-wal", "-shm")
_UNKNOWN: Final = (
    "Nothing here tells who was erased after this backup was made. Give the newest erasure list there is with "
    "--erasures FILE (erasures.jsonl of the data folder, or of the folder with the backups), or say --none-erased."
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the operator brings: further erasure lists, and the word that nobody was erased since."""

    lists: tuple[Path, ...] = ()
    none_erased: bool = False


def restore(settings: Settings, master: MasterKey, source: Path, known: Known) -> dict[str, Any]:
    """Restore a backup, or the newest of a folder of backups; return what was done, in plain values.

    Raises:
        BackupError: the backup cannot be used, or something runs on the data.
        OSError, ControlError: a disk or the database does not do its part; run it again.
    """
    folder = newest(source)
    manifest = read(folder, master)
    _refuse_newer(folder, manifest)
    check(folder, manifest)
    make_data_folder(settings)
    with _nobody_else(settings):
        listed = _lists(settings, folder, known)
        stage(settings, master, folder, manifest, listed, sure=bool(known.lists) or known.none_erased)
        return finish(settings)


def stage(
    settings: Settings, master: MasterKey, folder: Path, manifest: Manifest, listed: list[Listed], *, sure: bool
) -> None:
    """Build and verify everything beside the data, then write down that it is to be swapped in."""
    staging = settings.data / f".{manifest.backup_id}.restoring"
    shutil.rmtree(staging, ignore_errors=True)
    for path in manifest.files:
        copy_file(folder / path, staging / path)
    _verify(staging, manifest, master)
    done = _settle(settings, master, staging, manifest, listed)
    if done["keys_destroyed_again"] is None and not sure:
        raise BackupError(_UNKNOWN)
    offer_policies(staging / POLICIES, settings.policies)
    offer_queue(staging / QUEUE, settings.data / QUEUE)
    _intend(
        settings.data,
        {"backup": manifest.backup_id, "made_at": manifest.made_at, "records": manifest.records, **done},
    )


def finish(settings: Settings) -> dict[str, Any]:
    """Swap in what an intent names; once it is begun, running it again comes to the same end.

    Raises:
        BackupError: no restore was begun here.
    """
    try:
        said: dict[str, Any] = json.loads((settings.data / INTENT).read_text("utf-8"))
    except FileNotFoundError:
        raise BackupError(f"No restore was begun in {settings.data}; name a backup.") from None
    name = said["backup"]
    staging, aside = settings.data / f".{name}.restoring", settings.data / f"before-{name}"
    for part in _SWAPPED:
        _swap(settings.data / part, staging / part, aside / part)
    for ledger in settings.data.glob(_MADE_AGAIN):
        ledger.unlink()
    _place_control(settings, staging / CONTROL, aside / CONTROL)
    (settings.data / INTENT).unlink()
    sync_folder(settings.data)
    shutil.rmtree(staging, ignore_errors=True)
    return said | {"aside": str(aside) if aside.exists() else None}


def newest(source: Path) -> Path:
    """Return the backup that a path names: itself, or the newest whole one in it."""
    if (source / FILE).exists():
        return source
    found = [each for each in source.glob(f"{PREFIX}*") if (each / FILE).exists()]
    if not found:
        raise BackupError(f"There is no backup in {source}.")
    return max(found, key=lambda each: each.name)


def _refuse_newer(folder: Path, manifest: Manifest) -> None:
    unknown = sorted(set(manifest.steps) - set(STEPS))
    if unknown:
        sentence = f"holds the database layout {unknown[-1]!r} of Sluice {manifest.version}, newer than this one"
        raise BackupError(f"{folder} {sentence}; restore with that version.")


def _verify(staging: Path, manifest: Manifest, master: MasterKey) -> None:
    """Verify tree, journal and content to the last checkpoint of the backup."""
    if not manifest.records:
        return
    report = verify(staging, Signer(master).key)
    if report.problems or report.sealed != manifest.records:
        first = report.problems[0][1] if report.problems else f"{report.sealed} records are signed"
        raise BackupError(f"The backup does not verify: {first}. It was damaged before it was backed up.")


def _lists(settings: Settings, folder: Path, known: Known) -> list[Listed]:
    """Gather every erasure list; each erasure counts once."""
    for path in known.lists:
        if not path.is_file():
            raise BackupError(f"There is no erasure list {path}.")
    files = (settings.data / LIST_FILE, folder.parent / LIST_FILE, *known.lists)
    found = {each.erasure_id: each for file in files for each in read_list(file)}
    return sorted(found.values(), key=lambda each: (each.ts_us, each.erasure_id))


def _settle(
    settings: Settings, master: MasterKey, staging: Path, manifest: Manifest, listed: list[Listed]
) -> dict[str, Any]:
    """Take back again, in the staged stores, everything that was taken back after the backup."""
    with _target(settings) as target, file_database(staging / CONTROL, target) as staged:
        upgrade(staged)
        destroyed = _destroy_again(settings.data / KEYS, staging / KEYS, master)
        keystore = KeyStore(staging / KEYS, master)
        try:
            apply_list(listed, local_stores(staged, keystore, staging))
        finally:
            keystore.close()
        counts = settle(staged, _later(target, manifest), listed, manifest.backup_id)
    own = ErasureList(settings.data)
    for each in listed:
        own.append(each)
    return {**counts, "keys_destroyed_again": destroyed}


def _later(target: Database, manifest: Manifest) -> Later | None:
    try:
        return later(target, manifest.position)
    except ControlError:
        return None


def _destroy_again(current: Path, restored: Path, master: MasterKey) -> int | None:
    """Destroy the content keys that the store which is being replaced has no more.

    None: it tells nothing of them, for it cannot be read or did not grow out of the one in the backup.
    """
    try:
        now, then = _key_ids(current), _key_ids(restored)
    except (sqlite3.Error, IndexError):
        return None
    if now[0] != then[0]:
        return None
    keystore = KeyStore(restored, master)
    try:
        return keystore.destroy(sorted(then[1] - now[1]))
    finally:
        keystore.close()


def _key_ids(path: Path) -> tuple[bytes, set[str]]:
    """Return the mark that a key store got when it was made, and the ids of its keys."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as store:
        mark = store.execute("SELECT value FROM facts WHERE name = 'check'").fetchall()[0][0]
        return mark, {key_id for (key_id,) in store.execute("SELECT key_id FROM keys")}


def _intend(data: Path, said: dict[str, Any]) -> None:
    """Write durably that the swap is to be finished."""
    new = data / f".{INTENT}.new"
    with open(new, "w", encoding="utf-8", opener=private) as file:
        json.dump(said, file)
        file.flush()
        sync_data(file.fileno())
    new.rename(data / INTENT)
    sync_folder(data)


def _swap(here: Path, new: Path, aside: Path) -> None:
    if new.exists():
        _set_aside(here, aside)
        make_folder(here.parent)
        new.rename(here)
        sync_folder(here.parent)


def _set_aside(here: Path, aside: Path) -> None:
    for side in _SIDES:
        old = here.with_name(here.name + side)
        if old.exists():
            make_folder(aside.parent)
            old.rename(aside.with_name(aside.name + side))


def _place_control(settings: Settings, new: Path, aside: Path) -> None:
    """Put the control database in place: a file is replaced, a PostgreSQL filled in one transaction."""
    if not new.exists():
        return
    file = _sqlite_file(settings)
    if file is None:
        with _target(settings) as target:
            copy_in(new, target)
        new.unlink()
        return
    near = file.with_name(f".{file.name}.restoring")
    copy_file(new, near)
    _set_aside(file, aside)
    near.rename(file)
    sync_folder(file.parent)
    new.unlink()


def _sqlite_file(settings: Settings) -> Path | None:
    url = make_url(settings.database_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


@contextmanager
def _target(settings: Settings) -> Iterator[Database]:
    database = open_database(settings.database_url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _nobody_else(settings: Settings) -> Iterator[None]:
    """Hold what every program of Sluice on this data folder holds."""
    with ExitStack() as held:
        held.enter_context(only_one(settings))
        lock = held.enter_context(open(settings.data / "recorder.lock", "a", encoding="utf-8", opener=private))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackupError("A recorder works on this data; stop it first.") from error
        segments = (settings.data / "journal" / "meta").glob("*/*.jsonl")
        if any(has_writer(path) for path in segments) or _leased(settings):
            raise BackupError("A gateway works on this data; stop it first (a killed one counts for a minute).")
        yield


def _leased(settings: Settings) -> bool:
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        return False
    with _target(settings) as target, suppress(ControlUnavailable), target.read() as conn:
        if not inspect(conn).has_table(schema.leases.name):  # the empty database of a new machine
            return False
        alive = select(schema.leases.c.name).where(schema.leases.c.expires_us > target.clock_us())
        return conn.execute(alive).first() is not None
    return False
