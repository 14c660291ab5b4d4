"""The command line: light to import, help that teaches, tables and JSON, errors as one sentence."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from gateway.cli import COMMANDS, cli

POLICIES = Path(__file__).parents[3] / "policies"
HEAVY = {"aiohttp", "asyncio", "duckdb", "fastapi", "pydantic", "rich", "sqlalchemy", "streamlit", "uvicorn"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=environ, catch_exceptions=False)


def run_json(*arguments: str, **environ: str) -> Any:
    result = run(*arguments, "--json", **environ)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def with_policies() -> dict[str, str]:
    return {**os.environ, "SLUICE_POLICIES": str(POLICIES)}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_the_dispatcher_imports_no_program() -> None:
    script = "import sys, gateway.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY.intersection(loaded)


def test_its_help_imports_no_program_either() -> None:
    script = "import sys\nfrom gateway.cli import cli\ntry: cli(['--help'])\nexcept SystemExit: print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.startswith("gateway.commands.")]


@pytest.mark.parametrize("path", [path for path, _ in commands(cli)], ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    command = dict(commands(cli))[path]
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output
    assert (
        isinstance(command, click.Group)
        or f"sluice {' '.join(path)}" in result.output.split("Options:")[0].split("\n", 1)[1]
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_listed_with_one_line(name: str) -> None:
    assert f"  {name}  " in run("--help").output
    assert COMMANDS[name].summary.endswith(".")


def test_the_version_is_told() -> None:
    assert run("--version").output.startswith("sluice 0.")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("keyz").exit_code == 2


def test_settings_are_shown_with_their_source(tmp_path: Path) -> None:
    (tmp_path / "sluice.toml").write_text("workers = 3\n")
    shown = run_json("settings", SLUICE_PORT="9000", SLUICE_BOOTSTRAP_KEY="sk-sluice-do-not-print")
    assert shown["SLUICE_PORT"] == {"value": "9000", "source": "environment"}
    assert shown["SLUICE_WORKERS"] == {"value": "3", "source": str(tmp_path / "sluice.toml")}
    assert shown["SLUICE_HOST"]["source"] == "default"
    assert shown["SLUICE_BOOTSTRAP_KEY"]["value"] == "set"
    assert shown["SLUICE_MASTER_KEY"]["value"] == "unset"


def test_settings_as_a_table_say_the_same(tmp_path: Path) -> None:
    output = run("settings", SLUICE_PORT="9000").stdout
    assert [line.split()[1:3] for line in output.splitlines() if line.startswith("SLUICE_PORT ")] == [
        ["9000", "environment"]
    ]
    assert run("settings", SLUICE_PROT="1").stderr == "Note: SLUICE_PROT is in the environment, but is not a setting.\n"


def test_a_wrong_setting_is_a_sentence_with_exit_code_two() -> None:
    script = [sys.executable, "-P", "-m", "gateway.cli", "settings"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, env={"SLUICE_PORT": "http"})
    assert done.returncode == 2
    assert done.stderr == "Error: SLUICE_PORT is 'http'; it must be a port number from 1 to 65535 (0: any free port).\n"


@pytest.mark.parametrize("name", ["up", "gateway", "keys list", "users list"])
def test_every_command_refuses_a_wrong_setting_alike(name: str) -> None:
    result = run(*name.split(), SLUICE_WORKERS="none")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: SLUICE_WORKERS is 'none'; ")


def test_a_key_is_shown_once_listed_without_it_and_revoked() -> None:
    made = run_json("keys", "create", "--name", "laptop", "--automation", "triage", "--team", "ops", "--expires", "2d")
    assert made["key"].startswith("sk-sluice-")
    assert (made["automation"], made["team"], made["state"]) == ("triage", "ops", "active")
    [listed] = run_json("keys", "list")
    assert listed["key_id"] == made["key_id"]
    assert made["key"] not in json.dumps(listed)
    assert run("keys", "revoke", made["key_id"]).stdout == f"Revoked {made['key_id']} (laptop).\n"
    assert [key["state"] for key in run_json("keys", "list")] == ["revoked"]


def test_a_new_key_alone_is_on_standard_output_so_that_a_shell_can_take_it() -> None:
    result = run("keys", "create")
    assert result.stdout.strip().startswith("sk-sluice-")
    assert len(result.stdout.split()) == 1
    assert "not shown again" in result.stderr


def test_the_keys_table_has_one_line_a_key() -> None:
    run("keys", "create", "--name", "one")
    run("keys", "create", "--name", "two")
    lines = run("keys", "list").stdout.splitlines()
    assert lines[0].split()[:4] == ["KEY_ID", "NAME", "HINT", "STATE"]
    assert sorted(line.split()[1] for line in lines[1:]) == ["one", "two"]


def test_the_bootstrap_key_of_the_settings_exists_from_the_first_command_on() -> None:
    [key] = run_json("keys", "list", SLUICE_BOOTSTRAP_KEY="sk-sluice-0123456789")
    assert (key["name"], key["automation"], key["hint"]) == ("bootstrap", "default", "...6789")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("keys", "revoke", "key_unknown"), 1, "no such key"),
        (("keys", "create", "--name", "a b"), 1, "name"),
        (("keys", "create", "--expires", "soon"), 2, "--expires"),
        (("users", "create", "not an address"), 1, "email"),
        (("users", "link", "nobody@example.com"), 1, "no user"),
        (("users", "create", "x@example.com", "--role", "king"), 2, "--role"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: tuple[str, ...], code: int, word: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert word in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", [("audit", "verify"), ("ledger", "rebuild"), ("retention", "plan")])
def test_a_master_key_that_is_gone_is_asked_for_not_made_anew(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sluice-data" / "journal" / "content" / "2026-11-23").mkdir(parents=True)
    result = run(*command)
    assert result.exit_code == 2
    assert "put it back, or give it in SLUICE_MASTER_KEY" in result.stderr
    assert not (tmp_path / "sluice-data" / "keys" / "master.key").exists()


def test_a_week_that_no_year_has_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "sluice-data").mkdir()
    result = run("review", "build", "0000-W01")
    assert (result.exit_code, result.stderr) == (1, "Error: there is no week '0000-W01'\n")


@pytest.mark.parametrize("arguments", [("calls", "list"), ("calls", "show", "call_x"), ("ledger", "rebuild")])
def test_without_a_data_folder_nothing_is_made_and_the_setting_is_named(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "There is no data folder" in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_gateway_calls_say_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "sluice-data").mkdir()
    result = run("calls", "list", SLUICE_GATEWAY_URL="http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr == "Error: No gateway answers at http://127.0.0.1:1; is `sluice up` running?\n"


def test_a_ledger_is_made_again_from_an_empty_journal(tmp_path: Path) -> None:
    (tmp_path / "sluice-data").mkdir()
    assert run_json("ledger", "rebuild") == {"seq": 0, "missing": [], "damaged": []}


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    rules = "redaction: {names: 'off', request: {EMAIL_ADDRESS: {operator: mask}, US_SSN: {operator: block}}}\n"
    (folder / "default.yaml").write_text(f"policy: default\nschema: 1\nowner: ops@example.com\n{rules}")
    return folder


def test_a_good_policy_folder_is_called_good(policies: Path) -> None:
    assert run("policy", "check").exit_code == 0
    report = run_json("policy", "check", str(policies))
    assert (report["policies"], report["problems"]) == (["default"], [])


def test_a_bad_policy_folder_has_its_problems_listed_with_exit_code_one(policies: Path) -> None:
    (policies / "other.yaml").write_text("policy: other\n")
    result = run("policy", "check")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert all(line.startswith("other.yaml:1:1: ") for line in result.stderr.splitlines())
    assert json.loads(run("policy", "check", "--json").stdout)["problems"]


@pytest.mark.usefixtures("policies")
def test_redacting_shows_the_text_as_a_model_sees_it_and_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Write to ann@example.com\n")
    result = run("redact", "letter.txt")
    assert result.exit_code == 0
    assert "ann@example.com" not in result.output
    assert "EMAIL_ADDRESS" in result.stdout
    shown = run_json("redact", "letter.txt")
    assert [(found["kind"], found["start"], found["end"]) for found in shown["findings"]] == [("EMAIL_ADDRESS", 9, 24)]


@pytest.mark.usefixtures("policies")
def test_a_text_that_the_policy_refuses_and_an_unknown_policy_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("SSN 536-90-4399\n")
    refused = run("redact", "letter.txt")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: The policy default refuses this text: ")
    assert "536-90-4399" not in refused.output
    assert (
        run("redact", "--policy", "none", "letter.txt").stderr
        == "Error: There is no policy 'none'; there is: default.\n"
    )


def test_a_user_gets_a_link_once_and_can_be_shut_out() -> None:
    made = run_json("users", "create", "ann@example.com", "--role", "reviewer")
    assert made["roles"] == ["reviewer"]
    assert made["link"].startswith("http://127.0.0.1:8501/?login=link-")
    assert run("users", "link", "Ann@Example.com").stdout.startswith("http://127.0.0.1:8501/?login=link-")
    assert run("users", "create", "ann@example.com").exit_code == 1
    assert run("users", "disable", "ann@example.com").exit_code == 0
    [ann] = [user for user in run_json("users", "list") if user["email"] == "ann@example.com"]
    assert ann["disabled"]
    assert run("users", "link", "ann@example.com").exit_code == 1


def test_the_data_folder_is_private(tmp_path: Path) -> None:
    run("keys", "list")
    assert (tmp_path / "sluice-data").stat().st_mode & 0o077 == 0


def test_a_stop_of_what_no_key_is_bound_to_is_set_and_doubted() -> None:
    run("keys", "create", "--name", "one", "--automation", "triage")
    assert "No key is bound" not in run("stop", "triage").output
    typo = run("stop", "trage")
    assert (typo.exit_code, "trage is stopped" in typo.output, "No key is bound to trage" in typo.output) == (
        0,
        True,
        True,
    )


def test_a_text_to_redact_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "letter.bin").write_bytes(b"MZ\xc8\x00")
    result = run("redact", "text", "letter.bin", SLUICE_POLICIES=str(POLICIES))
    assert result.exit_code == 1
    assert result.output == "Error: letter.bin: this is no text in UTF-8 (byte 2).\n"


@pytest.mark.parametrize("words", [("runs", "show"), ("runs", "cancel")], ids=" ".join)
def test_bytes_that_no_id_has_are_said(words: tuple[str, ...]) -> None:
    result = run(*words, os.fsdecode(b"run_\xff"))
    assert result.exit_code == 1
    assert result.output == "Error: run_\\udcff cannot be used here: it holds what cannot be written as utf-8.\n"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("redact text <&-", 0, ""),
        ("redact text <&- >&-", 0, ""),
        ("--help > /dev/full", 1, "Error: No space left on device\n"),
        ("settings > /dev/full", 1, "Error: No space left on device\n"),
    ],
)
def test_streams_that_are_closed_or_full_end_no_command_with_a_traceback(line: str, code: int, said: str) -> None:
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = f"exec {sys.executable} -m gateway.cli {line}"
    ended = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, env=with_policies())
    assert (ended.returncode, ended.stderr) == (code, said)
