"""Anchors: copies of the newest checkpoint in places that whoever holds the data folder cannot rewrite.

Without one, cutting off the end or writing everything anew cannot be noticed. A place is written as
`folder:PATH` (another disk, a mounted share), `git:REMOTE` (pushed to its branch `sluice-anchors`),
`s3:https://HOST/BUCKET/PREFIX` or `otlp:https://HOST:4318/v1/logs`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import orjson

from metrics.proof.anchor_remote import AnchorError, Credentials, OtlpAnchor, S3Anchor, otlp_headers
from metrics.proof.notes import Checkpoint
from metrics.record.fileops import make_folder, sync_data
from metrics.record.ids import Clock, utc_us

GIT_S: Final = 60.0
BRANCH: Final = "sluice-anchors"
_WAITS_S: Final = (5.0, 30.0, 120.0, 300.0)


class Anchor(Protocol):
    """One place. `name` may be shown."""

    name: str

    def publish(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint there, durably. Raises `AnchorError`."""
        ...


class FolderAnchor:
    """A folder on another disk, or of another user who lets us append only."""

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = f"folder:{folder}", folder

    def publish(self, checkpoint: Checkpoint) -> None:
        """Append to the file of this origin."""
        try:
            make_folder(self._folder)
            _append(self._folder / _file_name(checkpoint), checkpoint)
        except OSError as problem:
            raise AnchorError(f"{self.name}: {problem.strerror}") from problem


class GitAnchor:
    """A branch of a git remote, pushed without force, so that a rewritten history is refused there."""

    def __init__(self, remote: str, work: Path) -> None:
        self.name = f"git:{_without_password(remote)}"
        self._remote, self._work = remote, work

    def publish(self, checkpoint: Checkpoint) -> None:
        """Commit the checkpoint on top of what the remote has, and push; a try that fails leaves no folder behind.

        So a lock that a killed git left there, or whatever else is wrong with it, is in nobody's way the next time.
        """
        try:
            make_folder(self._work)
            self._push(checkpoint)
        except OSError as problem:
            raise AnchorError(f"{self.name}: {problem.strerror}") from problem
        except AnchorError:
            shutil.rmtree(self._work, ignore_errors=True)
            raise

    def _push(self, checkpoint: Checkpoint) -> None:
        if not (self._work / ".git").exists():
            self._git("init", "--quiet", "--initial-branch", BRANCH)
        if self._git("ls-remote", "--heads", self._remote, BRANCH).strip():
            self._git("fetch", "--quiet", self._remote, BRANCH)
            self._git("reset", "--quiet", "--hard", "FETCH_HEAD")
        _append(self._work / _file_name(checkpoint), checkpoint)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", f"{checkpoint.size} records")
        self._git("push", "--quiet", self._remote, f"HEAD:refs/heads/{BRANCH}")

    def _git(self, *arguments: str) -> str:
        who = ["-c", "user.name=sluice", "-c", "user.email=sluice@localhost", "-c", "commit.gpgsign=false"]
        environ = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        command = ["git", "-C", str(self._work), *who, *arguments]
        try:
            done = subprocess.run(command, env=environ, capture_output=True, timeout=GIT_S, check=False, text=True)
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise AnchorError(f"{self.name}: git {arguments[0]} did not end: {type(problem).__name__}") from problem
        if done.returncode:
            said = done.stderr.strip().replace(self._remote, _without_password(self._remote))
            raise AnchorError(f"{self.name}: git {arguments[0]} failed: {said[:300]}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class Anchored:
    """How it stands with one place. `size` is the number of records under the newest checkpoint there."""

    size: int = 0
    at_us: int | None = None
    problem: str | None = None


class Anchorage:
    """Brings the newest checkpoint to every place, on a thread of its own; what fails is tried again."""

    def __init__(self, anchors: Sequence[Anchor], clock: Clock) -> None:
        self.state = {anchor.name: Anchored() for anchor in anchors}
        self._anchors, self._clock = anchors, clock
        self._newest: Checkpoint | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchors", daemon=True)
        if anchors:
            self._thread.start()

    def offer(self, checkpoint: Checkpoint | None) -> None:
        """Take note of the newest checkpoint."""
        if checkpoint is not None and checkpoint is not self._newest:
            self._newest = checkpoint
            self._wake.set()

    def close(self, wait_s: float = 10.0) -> None:
        """Try once more to bring the newest away, for so long at most."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident:
            self._thread.join(wait_s)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._wake.wait(_WAITS_S[min(failures, len(_WAITS_S)) - 1] if failures else None)
            self._wake.clear()
            failures = 0 if self._bring(self._newest) else failures + 1
        self._bring(self._newest)

    def _bring(self, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is None:
            return True
        done = [self._publish(anchor, checkpoint) for anchor in self._anchors]  # one that fails stops no other
        return all(done)

    def _publish(self, anchor: Anchor, checkpoint: Checkpoint) -> bool:
        before = self.state[anchor.name]
        if before.size == checkpoint.size:
            return True
        try:
            anchor.publish(checkpoint)
        except AnchorError as problem:
            self.state[anchor.name] = Anchored(before.size, before.at_us, str(problem))
            return False
        self.state[anchor.name] = Anchored(checkpoint.size, self._clock())
        return True


def anchors_of(text: str, data: Path, environ: Mapping[str, str] = os.environ, clock: Clock = utc_us) -> list[Anchor]:
    """Read places, separated by commas; who writes there stands in the environment. Raises `ValueError`."""
    kinds: dict[str, Callable[[str, int], Anchor]] = {
        "folder": lambda rest, _: FolderAnchor(Path(rest).expanduser().absolute()),
        "git": lambda rest, at: GitAnchor(rest, data / "audit" / f"git-{at}"),
        "s3": lambda rest, _: S3Anchor(rest, Credentials.of(environ), clock),
        "otlp": lambda rest, _: OtlpAnchor(rest, clock, otlp_headers(environ)),
    }
    found: list[Anchor] = []
    for place in filter(None, (part.strip() for part in text.split(","))):
        kind, _, rest = place.partition(":")
        if kind not in kinds or not rest:
            raise ValueError(
                f"names the anchor {_without_password(place)!r}; write folder:PATH, git:REMOTE, s3:URL or otlp:URL"
            )
        found.append(kinds[kind](rest, len(found)))
    return found


def _append(path: Path, checkpoint: Checkpoint) -> None:
    with path.open("ab") as file:
        file.write(orjson.dumps({"note": checkpoint.note}) + b"\n")
        file.flush()
        sync_data(file.fileno())


def _file_name(checkpoint: Checkpoint) -> str:
    return checkpoint.origin.replace("/", "-") + ".jsonl"


def _without_password(remote: str) -> str:
    scheme, mark, rest = remote.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else remote
