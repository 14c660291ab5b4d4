"""What the Dockerfile builds runs: its own lines, replayed in a fresh folder, and its command as another user.

No container engine is needed. The pinned packages are not installed again: those of this environment are lent. Making
the user and taking pip away (the other lines of the last stage) need a container.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from tests.integration.deploy.test_image import BUILD, FINAL, ROOT, copied

USER = 10001
PLACES = {"/opt/sluice": "opt/sluice", "/policies": "policies", "/data": "data"}
VERSION = f"python3.{sys.version_info.minor}"


def runs_for_others(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], user=USER, group=USER, check=False).returncode == 0
    except OSError:
        return False


def base_python() -> str | None:
    """Return a Python of this version that the image's user may run, or this one where we cannot become that user."""
    if os.geteuid() != 0:
        return sys.executable
    found = [shutil.which(VERSION, path="/usr/bin:/usr/local/bin"), os.path.realpath(sys.executable)]
    return next((python for python in found if python and runs_for_others(python)), None)


HEALTH, COMMAND = (json.loads(found) for found in re.findall(r"^ *CMD (\[.*\])$", FINAL, re.MULTILINE))
PYTHON = base_python()
needs_python = pytest.mark.skipif(PYTHON is None, reason=f"no {VERSION} here that another user may run")


def placed(text: str, folder: Path) -> str:
    """Move what the image keeps at the root into a folder."""
    for there, here in PLACES.items():
        text = re.sub(rf"{there}\b", str(folder / here), text)
    return text


def run_lines(stage: str) -> list[str]:
    return re.findall(r"^RUN (.+)$", stage.replace("\\\n", " "), re.MULTILINE)


def variables(stage: str) -> dict[str, str]:
    lines = re.findall(r"^ENV (.+)$", stage.replace("\\\n", " "), re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Replay the build stage, and copy what the last stage copies."""
    assert PYTHON is not None
    with tempfile.TemporaryDirectory(prefix="sluice-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        source, tools = folder / "src", folder / "bin"
        for made in (source, tools, folder / "data"):
            made.mkdir()
        for item in copied(BUILD):
            copy = shutil.copytree if (ROOT / item).is_dir() else shutil.copy
            copy(ROOT / item, source / item)
        (tools / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (tools / "python").chmod(0o755)
        environment = {**os.environ, **variables(BUILD), "PATH": f"{tools}:{os.environ['PATH']}"}
        for line in run_lines(BUILD):
            build_step(placed(line, folder), source, environment, folder)
        shutil.copytree(ROOT / "policies", folder / "policies")
        if os.geteuid() == 0:
            os.chown(folder / "data", USER, USER)
        yield folder


def build_step(line: str, source: Path, environment: dict[str, str], folder: Path) -> None:
    """Run one line as `docker build` would; in place of the pinned packages, lend those that are here."""
    if line.startswith("python -m venv"):
        subprocess.run([str(PYTHON), *line.split()[1:]], env=environment, check=True)
        (site,) = (folder / "opt/sluice/lib").glob("python3*/site-packages")
        (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    elif "-r requirements.lock" not in line:
        lent = {**environment, "PIP_IGNORE_INSTALLED": "1", "PIP_NO_INDEX": "1"}
        subprocess.run(line, shell=True, cwd=source, env=lent, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def command(image: Path, port: int) -> Iterator[dict[str, str]]:
    """Run the image's command as its user until the block ends; it must stop by itself on its stop signal."""
    built_in = {name: placed(value, image) for name, value in variables(FINAL).items()}
    environment = built_in | {"SLUICE_PORT": str(port), "SLUICE_WORKERS": "1", "SLUICE_HOST": "127.0.0.1"}
    environment["PATH"] = environment["PATH"].replace("$PATH", "/usr/bin:/bin")
    user = USER if os.geteuid() == 0 else None
    program = [str(image / "opt/sluice/bin/sluice"), *COMMAND]
    with subprocess.Popen(program, env=environment, cwd="/", stderr=subprocess.PIPE, user=user, group=user) as process:
        try:
            yield environment
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0, said


def healthy(environment: dict[str, str], port: int) -> bool:
    """Run the image's own health check, on our port."""
    python, *check = [part.replace("8080", str(port)) for part in HEALTH]
    found = shutil.which(python, path=environment["PATH"])
    assert found is not None
    return subprocess.run([found, *check], env=environment, check=False, stderr=subprocess.DEVNULL).returncode == 0


@needs_python
def test_the_image_s_command_becomes_healthy_and_stops_when_asked(image: Path) -> None:
    port = free_port()
    with command(image, port) as environment:
        deadline = time.monotonic() + 60
        while not healthy(environment, port):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    owners = {path.stat().st_uid for path in (image / "data").rglob("*")}
    assert owners == {USER if os.geteuid() == 0 else os.geteuid()}


@needs_python
def test_what_runs_is_what_was_built(image: Path) -> None:
    said = subprocess.run(
        [image / "opt/sluice/bin/python", "-c", "import gateway; print(gateway.__path__[0])"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.startswith(str(image / "opt/sluice"))
