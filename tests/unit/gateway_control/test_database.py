"""How databases are opened: private files, safe settings, and no secret in a complaint."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.control.database import Database
from gateway.control.engines import make_engine
from gateway.control.identity.passwords import hash_password, verify_password


def test_the_files_belong_to_their_owner_alone(database: Database, tmp_path: Path) -> None:
    files = list((tmp_path / "db").iterdir())
    assert {file.name for file in files} >= {"control.db", "control.db-wal"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "db").stat().st_mode & 0o777 == 0o700


_VISITOR = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM changes'); c.close()"


def test_another_process_that_leaves_takes_no_log_away(database: Database, tmp_path: Path) -> None:
    """SQLite's locks belong to the process: a second connection must not drop those of the first."""
    log = tmp_path / "db" / "control.db-wal"
    with database.read() as first, database.read() as second:
        assert first.execute(text("SELECT version FROM changes")).scalar() is not None
        assert second.execute(text("SELECT version FROM changes")).scalar() is not None
    before = log.stat().st_ino
    subprocess.run([sys.executable, "-c", _VISITOR, str(tmp_path / "db" / "control.db")], check=True)
    assert log.stat().st_ino == before


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1)]
)
def test_every_connection_keeps_the_same_promises(database: Database, pragma: str, value: object) -> None:
    for _ in range(2):
        with database.read() as first, database.read() as second:
            assert first.execute(text(f"PRAGMA {pragma}")).scalar() == value
            assert second.execute(text(f"PRAGMA {pragma}")).scalar() == value


@pytest.mark.parametrize(
    "address", ["mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "secret", "postgresql//u:secret@h"]
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ValueError, match="SLUICE_DATABASE_URL") as refused:
        make_engine(address)
    assert "secret" not in str(refused.value)


def test_no_connection_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    make_engine(f"sqlite:///{tmp_path}/later/control.db")
    assert not (tmp_path / "later").exists()


def test_a_password_is_salted_and_recognised() -> None:
    first, second = hash_password("correct horse battery"), hash_password("correct horse battery")
    assert first != second
    assert verify_password("correct horse battery", first)
    assert not verify_password("correct horse batterz", first)
    assert not verify_password("", first)
    assert not verify_password("correct horse battery", None)
    assert not verify_password("\0" * 12, None)
