"""Workers go on with what they know while the control database is away, and revoked keys never come back."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.control.database import Database, open_database
from gateway.control.directory import Directory
from gateway.control.errors import ControlUnavailable
from gateway.control.identity.keys import KeySpec, create_key, revoke_key
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.control.watch import INTERVAL_S, ChangeWatch
from gateway.machine.prepare import control_database
from gateway.setting_values import SettingsError
from gateway.settings import load
from tests.postgres import PostgresServer, running_postgres

ADMIN = local_operator("acme")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_postgres() as started:
        yield started


def opened(address: str) -> Database:
    database = open_database(address)
    upgrade(database)
    ensure_tenant(database, "acme")
    return database


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def test_changes_are_looked_for_often_enough_for_a_revocation_within_a_second() -> None:
    assert INTERVAL_S <= 0.25


def test_a_running_worker_survives_an_outage_and_then_hears_of_the_revocation(server: PostgresServer) -> None:
    address = server.new_database()
    worker, elsewhere = opened(address), open_database(address)
    kept, _ = create_key(worker, "acme", KeySpec(), ADMIN)
    gone, info = create_key(worker, "acme", KeySpec(), ADMIN)
    directory = Directory()
    watch = ChangeWatch(worker, [directory], interval_s=0.05)

    def knows(raw: str) -> bool:
        return directory.lookup(raw.encode()) is not None

    async def live() -> None:
        polling = asyncio.create_task(watch.run())
        await until(lambda: knows(kept) and knows(gone))
        await asyncio.to_thread(server.stop)
        await until(lambda: watch.stale_since is not None)
        await asyncio.sleep(3)
        assert knows(kept)
        assert knows(gone)
        with pytest.raises(ControlUnavailable):
            await asyncio.to_thread(revoke_key, elsewhere, "acme", info.key_id, ADMIN)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(revoke_key, elsewhere, "acme", info.key_id, ADMIN)
        await until(lambda: not knows(gone))
        assert knows(kept)
        await until(lambda: watch.stale_since is None)
        polling.cancel()

    asyncio.run(live())
    worker.close()
    elsewhere.close()


def test_a_server_that_takes_no_changes_is_away_for_those_who_write(server: PostgresServer, tmp_path: Path) -> None:
    address = server.new_database()
    database = opened(address)
    raw, info = create_key(database, "acme", KeySpec(), ADMIN)
    database.close()
    standby = open_database(address)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{admin.info.dbname}" SET default_transaction_read_only = on')
    with pytest.raises(ControlUnavailable, match="read-only"):
        revoke_key(standby, "acme", info.key_id, ADMIN)
    with (
        pytest.raises(SettingsError, match="read-only"),
        control_database(load({"SLUICE_DATABASE_URL": address}, tmp_path)),
    ):
        pass
    directory = Directory()
    assert ChangeWatch(standby, [directory]).check()
    assert directory.lookup(raw.encode()) is not None
    standby.close()


def test_a_watch_that_cannot_go_on_says_so_instead_of_ending_in_silence(tmp_path: Path) -> None:
    empty = open_database(f"sqlite:///{tmp_path / 'control.db'}", clock_us=lambda: 10**30)  # no date says that
    with pytest.raises((OverflowError, ValueError)):
        asyncio.run(ChangeWatch(empty, [Directory()], 0.01).run())
    empty.close()


def test_a_worker_that_starts_during_an_outage_knows_no_key_and_is_not_ready(server: PostgresServer) -> None:
    address = server.new_database()
    database = opened(address)
    raw, _ = create_key(database, "acme", KeySpec(), ADMIN)
    database.close()
    server.stop()
    directory = Directory()
    watch = ChangeWatch(database, [directory])
    assert not watch.check()
    assert not watch.ready
    assert directory.lookup(raw.encode()) is None
    server.start()
    assert watch.check()
    assert watch.ready
    assert directory.lookup(raw.encode()) is not None
    database.close()


def test_an_older_copy_of_the_database_revives_no_key(tmp_path: Path) -> None:
    file, copy = tmp_path / "control.db", tmp_path / "copy.db"
    database = opened(f"sqlite:///{file}")
    gone, info = create_key(database, "acme", KeySpec(), ADMIN)
    kept, kept_info = create_key(database, "acme", KeySpec(), ADMIN)
    database.close()
    shutil.copy(file, copy)
    revoke_key(database, "acme", info.key_id, ADMIN)
    directory = Directory()
    watch = ChangeWatch(database, [directory])
    assert watch.check()
    database.close()
    shutil.copy(copy, file)
    assert watch.check()
    assert directory.lookup(gone.encode()) is None
    assert directory.lookup(kept.encode()) is not None
    # A change in the older copy gets a number that the worker has seen before: it is heard all the same.
    revoke_key(database, "acme", kept_info.key_id, ADMIN)
    assert watch.check()
    assert directory.lookup(kept.encode()) is None
    database.close()


def test_a_restored_backup_is_noticed_while_the_worker_runs(tmp_path: Path) -> None:
    file, copy = tmp_path / "control.db", tmp_path / "copy.db"
    worker = opened(f"sqlite:///{file}")
    gone, info = create_key(worker, "acme", KeySpec(), ADMIN)
    worker.close()
    shutil.copy(file, copy)
    directory = Directory()
    watch = ChangeWatch(worker, [directory])
    revoke_key(worker, "acme", info.key_id, ADMIN)
    assert watch.check()
    backup = open_database(f"sqlite:///{copy}")
    added, _ = create_key(backup, "acme", KeySpec(), ADMIN)
    backup.close()
    for part in (file, file.with_name("control.db-wal"), file.with_name("control.db-shm")):
        part.unlink(missing_ok=True)
    assert not watch.check()  # between the two, there is no database
    copy.rename(file)
    assert watch.check()
    assert directory.lookup(added.encode()) is not None
    assert directory.lookup(gone.encode()) is None  # the backup knows nothing of its revocation
    worker.close()


def test_nothing_is_written_to_a_database_whose_file_was_moved_away(tmp_path: Path) -> None:
    file, away = tmp_path / "control.db", tmp_path / "away.db"
    worker = opened(f"sqlite:///{file}")
    raw, info = create_key(worker, "acme", KeySpec(), ADMIN)
    directory = Directory()
    watch = ChangeWatch(worker, [directory])
    assert watch.check()
    file.rename(away)
    with pytest.raises(ControlUnavailable):  # not "revoked" in a file that nobody will open again
        revoke_key(worker, "acme", info.key_id, ADMIN)
    assert not watch.check()
    assert watch.stale_since is not None
    assert directory.lookup(raw.encode()) is not None
    assert not file.exists()  # and no empty one was made in its place
    away.rename(file)
    revoke_key(worker, "acme", info.key_id, ADMIN)
    assert watch.check()
    assert directory.lookup(raw.encode()) is None
    worker.close()


def test_a_locked_file_is_followed_again_when_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "control.db"
    worker = opened(f"sqlite:///{file}")
    raw, info = create_key(worker, "acme", KeySpec(), ADMIN)
    directory = Directory()
    watch = ChangeWatch(worker, [directory])
    assert watch.check()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as held:
        held.execute("begin exclusive")
        assert watch.check()  # readers go on
        assert directory.lookup(raw.encode()) is not None
        held.execute("rollback")
    revoke_key(worker, "acme", info.key_id, ADMIN)
    assert watch.check()
    assert directory.lookup(raw.encode()) is None
    worker.close()


def test_a_file_that_is_no_database_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "control.db").write_bytes(b"not a database, and long enough to be read as one" * 100)
    database = open_database(f"sqlite:///{tmp_path}/control.db")
    with pytest.raises(ControlUnavailable):
        upgrade(database)
