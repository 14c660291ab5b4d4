"""The image: what the Dockerfile copies is enough to build and run, and nothing in it runs as root or unpinned."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
BUILD, FINAL = re.split(r"^FROM .*$", DOCKERFILE, flags=re.MULTILINE)[1:]
PACKAGES = ("policy", "redaction", "metrics", "gateway", "dashboard", "automations", "demo")


def copied(stage: str) -> list[str]:
    """Return what a stage copies from the project."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", stage, re.MULTILINE)
    return [name for line in lines for name in line.split()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel as the image does, from nothing but what it copies; return the names inside."""
    folder = tmp_path_factory.mktemp("image")
    for name in copied(BUILD):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, folder / name)
    program = "from setuptools import build_meta; print(build_meta.build_wheel('out'))"
    (folder / "out").mkdir()
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)
    (built,) = (folder / "out").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: tracked files cannot be listed")
def test_the_wheel_holds_every_file_of_the_packages(wheel: set[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, check=True).stdout
    tracked = {name for name in listed.decode().split("\0") if name and (ROOT / name).exists()}
    assert tracked
    assert not tracked - wheel


def test_everything_that_is_copied_reaches_the_build() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wanted = {*copied(BUILD), *copied(FINAL)}
    assert wanted == allowed
    assert not [name for name in wanted if not (ROOT / name).exists()]


def test_packages_are_pinned_by_hash_and_nothing_is_compiled() -> None:
    assert "--require-hashes --only-binary :all: -r requirements.lock" in BUILD
    assert "apt-get" not in BUILD
    assert re.findall(r"apt-get install --yes --no-install-recommends (.+) \\", FINAL) == ["git openssh-client"]
    assert "curl" not in DOCKERFILE


def test_the_final_image_has_no_installer_and_no_root() -> None:
    assert "uninstall --yes --quiet --root-user-action ignore pip" in FINAL
    assert "venv --without-pip" in BUILD
    assert re.findall(r"^USER (.*)$", FINAL, re.MULTILINE) == ["10001:10001"]
    after = FINAL.split("USER 10001:10001")[1]
    assert "RUN" not in after
    assert "HEALTHCHECK" in after


def test_no_secret_is_built_in() -> None:
    assert not re.findall(r"(?i)(key|password|token|secret)=\S", DOCKERFILE)
