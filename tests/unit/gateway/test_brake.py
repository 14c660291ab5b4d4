"""Wrong keys are counted per address and minute, for all processes of a data folder."""

import subprocess
import sys
from pathlib import Path

from gateway.allowances.brake import WRONG_KEYS_A_MINUTE, Brake, shared_brake

MINUTE_US = 60_000_000


def test_an_address_is_over_after_twenty_in_one_minute_and_free_in_the_next() -> None:
    brake = Brake()
    counted = [brake.count("192.0.2.1", 5 * MINUTE_US + 59_000_000) for _ in range(WRONG_KEYS_A_MINUTE + 2)]
    assert [each.over for each in counted] == [False] * WRONG_KEYS_A_MINUTE + [True, True]
    assert [each.just_over for each in counted].count(True) == 1
    assert counted[-1].wait_s == 1
    assert not brake.count("192.0.2.1", 6 * MINUTE_US).over


def test_addresses_are_counted_apart() -> None:
    brake = Brake()
    for _ in range(WRONG_KEYS_A_MINUTE + 1):
        brake.count("192.0.2.1", 0)
    assert not brake.count("2001:db8::1", 0).over


def test_processes_of_one_folder_count_together_and_none_waits_for_another(tmp_path: Path) -> None:
    brake = shared_brake(tmp_path)
    brake.count("192.0.2.1", 0)
    code = (
        "import pathlib, sys; from gateway.allowances.brake import shared_brake;"
        " print(shared_brake(pathlib.Path(sys.argv[1])).count('192.0.2.1', 0).keys)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "2"
    assert brake.count("192.0.2.1", 0).keys == 3


def test_without_its_file_a_process_counts_alone(tmp_path: Path) -> None:
    assert shared_brake(tmp_path / "missing").count("192.0.2.1", 0).keys == 1


def test_calls_that_began_before_the_turn_of_a_minute_do_not_begin_it_anew() -> None:
    brake = Brake()
    keys = [brake.count("a", 60_000_000 + (-1 if number % 2 else 1)).keys for number in range(6)]
    assert keys == [1, 2, 3, 4, 5, 6]
    assert brake.count("a", 120_000_000).keys == 1
    assert brake.count("a", 0).keys == 1
