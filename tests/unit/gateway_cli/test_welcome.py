"""What `sluice up` tells once all is ready: a key only when it is new, a link only with a dashboard."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands.worker import own_keys
from gateway.control.identity.login import sign_in_by_link
from gateway.machine.prepare import control_database
from gateway.machine.running import address_of, make_data_folder, only_one, published
from gateway.machine.welcome import lines, open_ways
from gateway.setting_values import SettingsError
from gateway.settings import load

PARTS = ["gateway", "recorder", "dashboard"]


def shown(folder: Path, *, dashboard: str | None = "http://127.0.0.1:8501", **environ: str) -> str:
    settings = load(environ, folder)
    with control_database(settings) as database:
        return "\n".join(lines(settings, PARTS, open_ways(database, dashboard=dashboard)))


def test_the_first_start_shows_a_new_key_and_later_ones_do_not(tmp_path: Path) -> None:
    first, second = shown(tmp_path), shown(tmp_path)
    key = next(word for word in first.split() if word.startswith("sk-sluice-"))
    assert f"export OPENAI_API_KEY={key}" in first
    assert key not in second
    assert "sluice keys create" in second


def test_a_key_that_the_worker_made_for_itself_is_nobodys_first(tmp_path: Path) -> None:
    own_keys(load({}, tmp_path), "default", ["inbound-triage"])
    first = shown(tmp_path)
    assert "export OPENAI_API_KEY=sk-sluice-" in first
    assert "sk-sluice-..." not in first


def test_the_key_of_the_settings_is_not_repeated(tmp_path: Path) -> None:
    text = shown(tmp_path, SLUICE_BOOTSTRAP_KEY="sk-sluice-0123456789")
    assert "sk-sluice-0123456789" not in text
    assert "the key you set in SLUICE_BOOTSTRAP_KEY" in text


def test_the_lines_to_paste_name_the_port_in_use(tmp_path: Path) -> None:
    text = shown(tmp_path, SLUICE_PORT="9000", SLUICE_HOST="0.0.0.0")
    assert "  export OPENAI_BASE_URL=http://127.0.0.1:9000/v1\n" in text


def test_the_line_to_try_runs_as_it_is_pasted(tmp_path: Path) -> None:
    line = next(line.strip() for line in shown(tmp_path).splitlines() if "Hello" in line)
    python, _, code = shlex.split(line)
    assert python == sys.executable
    asked = subprocess.run(
        [python, "-c", code], env={"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "x"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.stderr.strip().endswith("Connection error.")  # it came as far as calling


def test_files_beside_the_data_are_for_their_owner(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    make_data_folder(settings)
    (settings.data / "up.json").touch(0o644)
    with only_one(settings), published(settings, {}):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.data.iterdir() if path.is_file()}
    assert modes == {"up.json": 0o600, "up.lock": 0o600}


def test_a_database_that_cannot_be_reached_is_a_wrong_setting_without_its_password(tmp_path: Path) -> None:
    away = "postgresql://sluice:hunter2@127.0.0.1:1/sluice"
    with pytest.raises(SettingsError, match=r"SLUICE_DATABASE_URL is .*cannot be reached") as refused:
        shown(tmp_path, SLUICE_DATABASE_URL=away)
    assert "hunter2" not in str(refused.value)


def test_the_link_signs_in_once(tmp_path: Path) -> None:
    link = next(word for word in shown(tmp_path).split() if "?login=" in word)
    with control_database(load({}, tmp_path)) as database:
        assert sign_in_by_link(database, link.partition("?login=")[2], "127.0.0.1").token


def test_without_a_dashboard_there_is_no_link(tmp_path: Path) -> None:
    assert "?login=" not in shown(tmp_path, dashboard=None)


def test_one_data_folder_serves_one_supervisor(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    make_data_folder(settings)
    which = rf"SLUICE_DATA is .* another `sluice up` uses \(process {os.getpid()}, http://127.0.0.1:1\); stop it"
    with only_one(settings), published(settings, {"gateway": "http://127.0.0.1:1"}):
        with pytest.raises(SettingsError, match=which), only_one(settings):
            pass
        (settings.data / "up.lock").write_text("")  # one that has only just begun
        with pytest.raises(SettingsError, match=r"uses \(http://127.0.0.1:1\); stop it"), only_one(settings):
            pass
    with only_one(settings):
        pass


def test_other_commands_find_the_parts_while_they_run(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    make_data_folder(settings)
    with published(settings, {"gateway": "http://127.0.0.1:9999"}):
        assert address_of(settings, "gateway") == "http://127.0.0.1:9999"
        assert address_of(settings, "dashboard") is None
    assert address_of(settings, "gateway") is None
