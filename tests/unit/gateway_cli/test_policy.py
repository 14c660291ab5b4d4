"""`sluice policy`: test, diff, explain and schema say what a policy owner needs before a merge."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.gateway_cli.test_cli import run, run_json
from tests.unit.policy.trees import write

CASES = """
schema: 1
tests:
  - name: an address never leaves
    given: {text: "Write to ada@example.org."}
    expect: {redacted: [KIND], absent: [ada@example.org]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = write(tmp_path / "policies", a="redaction: {request: {EMAIL_ADDRESS: {operator: pseudonym}}}\n")
    (tree / "tests").mkdir()
    (tree / "tests" / "a.yaml").write_text(CASES.replace("KIND", "EMAIL_ADDRESS"))
    return tree


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_tests_that_hold_are_counted(folder: Path) -> None:
    result = run("policy", "test", str(folder))
    assert (result.exit_code, result.output) == (0, "1 tests hold.\n")


def test_a_test_that_fails_is_shown_with_its_line(folder: Path) -> None:
    (folder / "tests" / "a.yaml").write_text(CASES.replace("KIND", "PHONE_NUMBER"))
    result = run("policy", "test", str(folder))
    assert result.exit_code == 1
    assert "tests/a.yaml:6:" in result.output
    assert "expected ['PHONE_NUMBER'], found ['EMAIL_ADDRESS']" in result.output


def test_a_folder_that_cannot_be_used_is_said_and_not_tested(folder: Path) -> None:
    write(folder, a="nonsense: 1\n")
    result = run("policy", "test", str(folder))
    assert result.exit_code == 1
    assert "a.yaml:4:1: nonsense" in result.output


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_looser_policy_fails_a_pull_request(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    write(folder, a="redaction: {request: {EMAIL_ADDRESS: {operator: keep}}}\n")
    said = run("policy", "diff", "HEAD", "--folder", str(folder), "--markdown", "--fail-on-looser")
    assert said.exit_code == 1
    assert "| a: redaction.request.EMAIL_ADDRESS.operator: pseudonym -> keep | **looser** |" in said.output
    (change,) = run_json("policy", "diff", "HEAD", "--folder", str(folder))
    assert change["tendency"] == "looser"
    unknown = run("policy", "diff", "no-such", "--folder", str(folder))
    assert (unknown.exit_code, unknown.output[:4]) == (1, "Erro")


def test_a_call_is_explained_with_file_and_line(folder: Path, tmp_path: Path) -> None:
    call = {
        "automation": "drafts",
        "model_requested": "gpt-5",
        "detail": {"labels": {"data_class": "health"}, "findings": [["user:0", "EMAIL_ADDRESS", 1, 2, 0.9, "x", "p"]]},
        "snapshot": "0" * 64,
    }
    (tmp_path / "call.json").write_text(json.dumps(call))
    result = run("policy", "explain", str(tmp_path / "call.json"), "--folder", str(folder))
    assert result.exit_code == 0
    assert "EMAIL_ADDRESS in the request (user) is treated as `pseudonym` (a.yaml:4)" in result.output
    assert "model gpt-5 goes to gpt-5" in result.output
    assert "The call was made under snapshot 000000000000" in result.stderr


def test_the_schema_is_json_schema() -> None:
    schema = json.loads(run("policy", "schema").stdout)
    assert schema["properties"]["routing"]
    assert schema["title"] == "Sluice policy file"
