"""When a breaker opens, whom it lets through, when it closes; the same in memory and shared between processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.resilience.breakers import Breakers, shared_breakers
from policy.providers import Breaker

RULE = Breaker(failures=3, share=0.5, min_calls=10, window_s=30, cooldown_s=10)
NAME = "openai/gpt-test"


@pytest.fixture(params=["memory", "shared"])
def breakers(request: pytest.FixtureRequest, tmp_path: Path) -> Breakers:
    return Breakers() if request.param == "memory" else shared_breakers(tmp_path)


def fail(breakers: Breakers, times: int, now_ms: int, name: str = NAME) -> None:
    for _ in range(times):
        breakers.report(name, RULE, now_ms, False)


def test_failures_in_a_row_open_it_and_others_stay_closed(breakers: Breakers) -> None:
    fail(breakers, 2, 1000)
    assert breakers.admit(NAME, RULE, 1000).passes
    fail(breakers, 1, 1000)
    refused = breakers.admit(NAME, RULE, 4000)
    assert (refused.phase, refused.passes, refused.wait_s) == ("open", False, 7.0)
    assert breakers.admit("openai/another", RULE, 4000).passes
    (seen,) = breakers.seen({}, 4000)
    assert (seen["name"], seen["state"], seen["failures_in_a_row"], seen["open_s"]) == (NAME, "open", 3, 3.0)


def test_a_success_between_starts_the_row_anew(breakers: Breakers) -> None:
    for _ in range(3):
        fail(breakers, 1, 1000)
        breakers.report(NAME, RULE, 1000, True)
    assert breakers.admit(NAME, RULE, 1000).phase == "closed"


def test_a_share_of_failures_opens_it(breakers: Breakers) -> None:
    for _ in range(5):
        breakers.report(NAME, RULE, 1000, True)
        fail(breakers, 1, 1000)
    assert breakers.admit(NAME, RULE, 1000).phase == "open"


def test_calls_of_an_earlier_window_do_not_count(breakers: Breakers) -> None:
    for now_ms in (1000, 32_000):
        for _ in range(4):
            breakers.report(NAME, RULE, now_ms, True)
            fail(breakers, 1, now_ms)
    assert breakers.admit(NAME, RULE, 32_000).phase == "closed"


def test_one_probe_decides(breakers: Breakers) -> None:
    fail(breakers, 3, 1000)
    probe, other = breakers.admit(NAME, RULE, 11_000), breakers.admit(NAME, RULE, 11_001)
    assert (probe.phase, probe.passes, other.phase, other.passes) == ("half_open", True, "half_open", False)
    breakers.report(NAME, RULE, 11_500, False)
    assert not breakers.admit(NAME, RULE, 21_000).passes
    assert breakers.admit(NAME, RULE, 21_500).passes
    breakers.report(NAME, RULE, 21_600, True)
    assert breakers.admit(NAME, RULE, 21_600).phase == "closed"
    assert [said["state"] for said in breakers.seen({}, 21_600)] == ["closed"]


def test_a_probe_that_was_left_or_never_reports_gives_its_place_back(breakers: Breakers) -> None:
    fail(breakers, 3, 1000)
    assert breakers.admit(NAME, RULE, 11_000).passes
    breakers.report(NAME, RULE, 11_001, None)
    assert breakers.admit(NAME, RULE, 11_002).passes
    assert not breakers.admit(NAME, RULE, 21_001).passes
    assert breakers.admit(NAME, RULE, 21_002).passes


def test_a_machine_that_was_started_again_does_not_stay_open(breakers: Breakers) -> None:
    fail(breakers, 3, 500_000_000)
    assert breakers.admit(NAME, RULE, 60_000).passes


def test_what_a_caller_may_have_written_is_not_shown(breakers: Breakers) -> None:
    fail(breakers, 3, 1000, "openai/what Ann said")
    (seen,) = breakers.seen({}, 1000)
    assert seen["name"].startswith("openai/")
    assert "Ann" not in seen["name"]


def test_a_flood_of_names_pushes_out_quiet_ones_first(breakers: Breakers) -> None:
    fail(breakers, 3, 1000)
    for number in range(2000):
        breakers.report(f"openai/m{number}", RULE, 1000 + number, True)
    assert breakers.admit(NAME, RULE, 4000).phase == "open"
    assert [said["name"] for said in breakers.seen({}, 4000) if said["state"] != "closed"] == [NAME]


def asked_elsewhere(folder: Path, now_ms: int) -> str:
    code = (
        "import pathlib, sys; from policy.providers import Breaker;"
        "from gateway.resilience.breakers import shared_breakers;"
        "a = shared_breakers(pathlib.Path(sys.argv[1])).admit('openai/gpt-test', Breaker(), int(sys.argv[2]));"
        "print(a.phase, a.passes)"
    )
    command = [sys.executable, "-c", code, str(folder), str(now_ms)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_workers_of_one_folder_share_it(tmp_path: Path) -> None:
    fail(shared_breakers(tmp_path), 3, 1000)
    assert asked_elsewhere(tmp_path, 4000) == "open False"
    assert asked_elsewhere(tmp_path, 11_000) == "half_open True"
    assert not shared_breakers(tmp_path).admit(NAME, RULE, 11_001).passes


def test_without_its_files_a_worker_counts_alone(tmp_path: Path) -> None:
    breakers = shared_breakers(tmp_path / "missing")
    fail(breakers, 3, 1000)
    assert not breakers.admit(NAME, RULE, 1000).passes
