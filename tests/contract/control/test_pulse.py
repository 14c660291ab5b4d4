"""A cheap question to the control database: may anything have changed since I last asked?"""

from pathlib import Path

from sqlalchemy import text

from gateway.control.database import Database, open_database
from gateway.control.migrations import upgrade
from gateway.control.pulse import Pulse

LOOKS = 8  # fewer than after which it says yes to be sure


def _write(database: Database) -> None:
    with database.write() as tx:
        tx.bump()


def test_every_commit_of_another_is_told_whoever_makes_it(database: Database) -> None:
    pulse, other = Pulse(database), open_database(database.engine.url.render_as_string(hide_password=False))
    try:
        assert pulse.beats()
        for writer in (database, other, database):
            pulse.beats()
            _write(writer)
            assert pulse.beats()
    finally:
        pulse.close()
        other.close()


def test_it_is_silent_while_nobody_writes_where_the_database_can_tell(database: Database) -> None:
    pulse = Pulse(database)
    pulse.beats()
    said = [pulse.beats() for _ in range(LOOKS)]
    assert said == [database.engine.dialect.name != "sqlite"] * LOOKS
    assert any(pulse.beats() for _ in range(LOOKS))  # once in a while it says yes to be sure
    pulse.close()


def test_a_change_that_is_rolled_back_may_be_told_but_one_that_follows_is(database: Database) -> None:
    pulse = Pulse(database)
    pulse.beats()
    with database.engine.connect() as conn:
        conn.execute(text("UPDATE changes SET version = version"))
        conn.rollback()
    _write(database)
    assert pulse.beats()
    pulse.close()


def test_a_database_that_was_put_in_the_place_of_another_beats(tmp_path: Path) -> None:
    here, there = tmp_path / "control.db", tmp_path / "restored.db"
    databases = [open_database(f"sqlite:///{path}") for path in (here, there)]
    for each in databases:
        upgrade(each)
        each.close()
    pulse = Pulse(databases[0])
    pulse.beats()
    assert not pulse.beats()
    for left in tmp_path.glob("control.db*"):
        left.unlink()
    assert pulse.beats()  # none is there
    there.replace(here)
    assert pulse.beats()
    pulse.close()
    databases[0].close()
