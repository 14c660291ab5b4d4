"""Which git commit a policy folder is at."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 5


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit, and whether the folder differs from it; no commit: not under git."""

    commit: str | None = None
    dirty: bool = False


def git_state(directory: Path) -> GitState:
    """Ask git about a folder; a missing git or repository is no error."""
    commit = _git(directory, "rev-parse", "--verify", "HEAD")
    if not commit:
        return GitState()
    changes = _git(directory, "status", "--porcelain", "--untracked-files=all", "--", ".")
    return GitState(commit, dirty=changes is None or changes != "")


def _git(directory: Path, *arguments: str) -> str | None:
    # No lock is taken and no hook or pager is run: reading must not disturb whoever works in the folder.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(directory), *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
