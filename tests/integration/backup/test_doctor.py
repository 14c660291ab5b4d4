"""`sluice doctor` on a real data folder, and over HTTP by role."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import cli
from gateway.doctor.case import gather, read_control
from gateway.machine.prepare import control_database
from gateway.settings import load
from tests.integration.backup.test_round_trip import Place, place

__all__ = ["place"]


@pytest.fixture
def _as_a_program() -> Iterator[None]:
    """Make files for their owner only, as `sluice` does from its start on."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_what_is_read_from_both_databases(place: Place) -> None:
    place.key("any")
    with place.database() as database:
        said = read_control(database)
        assert (len(said.keys), said.admins, said.encrypted) == (1, frozenset({"operator@localhost"}), True)
        assert (said.keeper, said.generation, said.tree) == (False, 0, None)
        assert read_control(database, "stranger").keys == []
        postgres = database.engine.dialect.name == "postgresql"
        assert (said.clock_us is not None) == postgres
        assert said.clock_us is None or abs(said.clock_us - database.clock_us()) < 60_000_000


@pytest.mark.usefixtures("_as_a_program")
def test_files_that_others_can_read_are_named(tmp_path: Path, place: Place) -> None:
    data = place.settings.data
    with place.database() as database:
        place.record("c1")
        (data / "journal" / "order").chmod(0o755)
        (data / "journal" / "meta").chmod(0o755)
        assert gather(place.settings, database, None, {}).open_files == []  # nobody gets into the data folder
        data.chmod(0o755)
        assert gather(place.settings, database, None, {}).open_files == ["."]  # nor into the folders below
        (data / "journal").chmod(0o755)
        opened = sorted(gather(place.settings, database, None, {}).open_files)
    assert opened == [".", "journal", "journal/meta", "journal/order"]


def test_the_command_says_what_to_do_and_ends_with_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLUICE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLUICE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SLUICE_RECORDER_URL", "http://127.0.0.1:9")
    runner = CliRunner()
    assert runner.invoke(cli, ["doctor"]).exit_code == 2
    with control_database(load({"SLUICE_DATA": str(tmp_path / "data")}, tmp_path)):
        pass
    told = runner.invoke(cli, ["doctor"])
    assert told.exit_code == 1
    assert "no-anchor" in told.output
    assert "sluice backup" in told.output
    listed = json.loads(runner.invoke(cli, ["doctor", "--json"]).output)
    assert listed["unsafe"] is True
    assert {"no-anchor", "no-backup", "nobody-by-name"} <= {each["code"] for each in listed["findings"]}
