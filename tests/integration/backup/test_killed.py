"""kill -9 in the middle of a backup and of a restore: what is left is whole, old or new."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.backup.manifest import check, read
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import local_operator
from gateway.machine.prepare import control_database
from gateway.machine.running import INTENT
from gateway.settings import as_environment, load
from metrics.record.master import master_key
from tests.integration.backup.test_round_trip import Place
from tests.integration.metrics.support import content

SLUICE = Path(sys.executable).parent / "sluice"
TRIES = 4


def killed(place: Place, begun: Callable[[], bool], after_s: float, *arguments: str) -> int:
    """Run a command and kill it so long after it began its work; return how it ended."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    process = subprocess.Popen(
        [SLUICE, *arguments], env=environ | as_environment(place.settings), stdout=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and not begun():
            time.sleep(0.002)
        time.sleep(after_s)
    finally:
        process.kill()
    return process.wait()


def made(tmp_path: Path) -> Place:
    environ = {"SLUICE_DATA": str(tmp_path / "data"), "SLUICE_POLICIES": str(tmp_path / "policies")}
    (tmp_path / "policies").mkdir()
    place = Place(load(environ, tmp_path), tmp_path / "backups")
    place.key("first")
    place.record(*(f"c{number}" for number in range(200)))
    return place


def test_a_killed_backup_is_none_and_the_next_is_whole(tmp_path: Path) -> None:
    place, chance = made(tmp_path), random.Random(7)
    endings = []
    for _ in range(TRIES):
        endings.append(killed(place, place.under_way, chance.random() * 0.03, "backup", str(place.backups)))
        for whole in place.backups.glob("sluice-*"):
            check(whole, read(whole, master_key(place.settings.data, {})))
    assert -9 in endings
    check(last := place.back_up(), read(last, place.master))
    assert not place.under_way()


def test_a_killed_restore_leaves_the_old_state_or_one_that_is_finished_first(tmp_path: Path) -> None:
    place, chance = made(tmp_path), random.Random(8)
    backup = place.back_up()
    with control_database(place.settings) as database:
        create_key(database, "default", KeySpec(name="second"), local_operator("default"))
    place.record("later", subject=content().subject)
    endings = []
    for _ in range(TRIES):
        staging = place.settings.data / f".{backup.name}.restoring"
        endings.append(killed(place, staging.exists, chance.random() * 0.12, "restore", str(backup)))
        begun = (place.settings.data / INTENT).exists()
        if begun:
            environ = os.environ | as_environment(place.settings)
            subprocess.run([SLUICE, "restore", "--finish"], env=environ, check=True, stdout=subprocess.DEVNULL)
        restored = begun or endings[-1] == 0
        assert ("later" in place.calls()) is not restored
        if restored:
            break
    assert -9 in endings
    if "later" in place.calls():
        subprocess.run([SLUICE, "restore", str(backup)], env=os.environ | as_environment(place.settings), check=True)
    assert "later" not in place.calls()
