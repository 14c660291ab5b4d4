"""A restore on a machine that has nothing yet, and whose PostgreSQL is empty."""

from dataclasses import replace
from pathlib import Path

from gateway.backup.restoring import Known, restore
from gateway.control.identity.keys import confirm_key
from tests.integration.backup.test_round_trip import BOSS, Place, elsewhere, place
from tests.postgres import PostgresServer

__all__ = ["place"]


def test_a_new_machine_brings_an_empty_postgresql(
    place: Place, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    raw, key_id = place.key("any")
    place.record("c1")
    place.back_up()
    there = elsewhere(place, tmp_path / "there")
    there = Place(replace(there.settings, database_url=postgres_server.new_database()), there.backups)
    done = restore(there.settings, there.master, there.backups, Known(none_erased=True))
    assert (done["keys_unconfirmed"], done["aside"]) == (1, None)
    assert not there.works(raw)
    with there.database() as database:
        confirm_key(database, "default", key_id, BOSS)
    assert (there.works(raw), there.calls()) == (True, {"c1"})
