"""The hook and the workflow of the how-to page work as they are written: their commands are run on a repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policy.yaml_reader import read_yaml
from tests.integration.metrics.support import recording, write_calls

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/policy-in-pull-requests.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HOOK, WORKFLOW = (read_yaml("page", block.encode()).data for block in BLOCKS[:2])

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone whose branch changes a policy."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(ROOT / "policies", origin / "policies")
    git(origin.parent, "init", "-q", "-b", "main", "origin")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", "origin", "clone")
    file = clone / "policies" / "default.yaml"
    file.write_text(file.read_text("utf-8").replace("content: 30d", "content: 20d"), "utf-8")
    return clone


def run(repository: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environment}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=repository, env=env, capture_output=True, text=True, check=False
    )


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = WORKFLOW["jobs"]["review"]["steps"]
    return found


def test_the_hook_passes_good_policies_and_stops_bad_ones(repository: Path) -> None:
    hook = HOOK["repos"][0]["hooks"][0]
    assert run(repository, hook["entry"]).returncode == 0
    with (repository / "policies" / "default.yaml").open("a") as file:
        file.write("colour: red\n")
    stopped = run(repository, hook["entry"])
    assert stopped.returncode == 1
    assert "colour: unknown key" in stopped.stderr


def test_the_workflow_checks_explains_and_replays(repository: Path, tmp_path: Path) -> None:
    data, summary = tmp_path / "data", tmp_path / "summary.md"
    write_calls(data, "call_1", "call_2", tenant="default")
    with recording(data):
        pass
    ran, github = 0, {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_BASE_REF": "main"}
    for step in steps():
        script = str(step.get("run", ""))
        if "sluice policy" not in script:
            continue
        done = run(repository, script, SLUICE_DATA=str(data), **github)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        ran += 1
    assert ran == 4
    report = (repository / "report.md").read_text("utf-8")
    assert "retention.content" in report
    assert "calls would go otherwise" in report
    assert summary.read_text("utf-8").startswith("### Policy changes")
