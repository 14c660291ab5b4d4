"""`sluice new automation`: a copy of each reference passes the checks unedited, and the tutorial does what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands.new import MODELS

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent
TUTORIAL = ROOT / "docs/tutorial/fifth-automation.md"
BLOCK = re.compile(
    r"(?:<!-- (?P<what>file|replace tools in): (?P<path>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.S
)

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: its files cannot be listed")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project as git has it, without the automation of whoever followed the tutorial in this checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        needed = not name.startswith(("docs/images", "benchmarks")) and "claims" not in name
        if name and (ROOT / name).is_file() and needed:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def run(project: Path, *command: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(
        [str(PROGRAMS / command[0]), *command[1:]],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.timeout(300)
def test_copies_of_every_reference_pass_as_they_stand(project: Path) -> None:
    for like in MODELS:
        run(project, "sluice", "new", "automation", f"new-{like}-of-a-team"[:24].rstrip("-"), "--like", like)
    run(project, "ruff", "format", "--check", "automations", "tests/integration/automations")
    run(project, "ruff", "check", "automations", "tests/integration/automations")
    run(project, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), "-p", "automations")
    run(project, "lint-imports", "--no-cache")
    assert "new-triage-of-a-team" in run(project, "sluice", "policy", "check", "policies")
    tests = sorted(str(path) for path in project.glob("tests/integration/automations/test_new_*.py"))
    assert len(tests) == len(MODELS)
    run(project, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


@pytest.mark.timeout(300)
def test_the_tutorial_builds_an_automation_that_works(project: Path) -> None:
    for block in BLOCK.finditer(TUTORIAL.read_text("utf-8")):
        if block["what"] == "file":
            assert (project / block["path"]).exists(), "the tutorial replaces files that the copy wrote"
            (project / block["path"]).write_text(block["text"])
        elif block["what"]:
            path = project / block["path"]
            changed, count = re.subn(r"tools:.*?\n\n", block["text"] + "\n", path.read_text(), flags=re.S)
            assert count == 1
            path.write_text(changed)
        else:
            for line in block["text"].splitlines():
                run(project, *line.removeprefix(".venv/bin/").split())
    run(project, "ruff", "format", "--check", "automations", "tests/integration/automations")
    run(project, "ruff", "check", "automations", "tests/integration/automations")
    run(project, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), "-p", "automations")


@pytest.mark.parametrize("name", ["Warranty", "a b", "../x", "-x", "x" * 25, ""])
def test_a_name_that_is_none_is_told(name: str, tmp_path: Path) -> None:
    said = subprocess.run(
        [str(PROGRAMS / "sluice"), "new", "automation", name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.returncode != 0
    assert "Traceback" not in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(project: Path) -> None:
    run(project, "sluice", "new", "automation", "claims")
    environ = {**os.environ, "PYTHONPATH": str(project)}
    again = [str(PROGRAMS / "sluice"), "new", "automation", "claims"]
    said = subprocess.run(again, cwd=project, env=environ, capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "is there already" in said.stderr
