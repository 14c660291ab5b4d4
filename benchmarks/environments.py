"""Environments of their own for programs that are not part of the project: pinned, hashed, made once, never shared."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.servers import ROOT

FOLDER = ROOT / "build" / "environments"  # removed by `make clean`


def python_of(requirements: Path) -> Path:
    """Return the Python of an environment with exactly these packages, bytecode compiled; made when it is not there."""
    home = FOLDER / f"{requirements.parent.parent.name}-{requirements.stem}"
    python, stamp = home / "bin/python", home / "installed.txt"
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return python
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", *(["--without-pip"] if shutil.which("uv") else []), home], check=True)
    wanted = ["--quiet", "--require-hashes", "-r", str(requirements)]
    if shutil.which("uv"):
        subprocess.run(["uv", "pip", "install", "--python", python, "--compile-bytecode", *wanted], check=True)
    else:
        subprocess.run([python, "-m", "pip", "install", "--disable-pip-version-check", *wanted], check=True)
    shutil.copyfile(requirements, stamp)
    return python


def node_modules_of(folder: Path) -> Path:
    """Return a copy of a folder of Node scripts in which its locked packages are installed."""
    home, lock = FOLDER / f"{folder.parent.name}-{folder.name}", "package-lock.json"
    fresh = (home / lock).exists() and (home / lock).read_bytes() == (folder / lock).read_bytes()
    if not fresh:
        shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    if not fresh or not (home / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=home, check=True)
    return home
