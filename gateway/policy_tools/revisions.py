"""Policy folders as they were at a git revision, and what changed since."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath

from policy.diff import Change, diff
from policy.load import load_tree

_PATIENCE_S = 30
_MOST_BYTES = 64 << 20


class RevisionError(Exception):
    """A revision that git does not have, or a folder that is not under git."""


@contextmanager
def at_revision(directory: Path, revision: str) -> Iterator[Path]:
    """Give a temporary copy of a policy folder as it was at a revision."""
    commit = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    archive = _git(directory, "archive", "--format=tar", commit.decode().strip(), ".")
    with tempfile.TemporaryDirectory(prefix="sluice-policies-") as folder:
        _unpack(archive, Path(folder))
        yield Path(folder)


def diff_revisions(directory: Path, old: str, new: str | None = None) -> list[Change]:
    """Compare a folder at two revisions; without a second one, with the folder as it is."""
    with at_revision(directory, old) as before:
        first = load_tree(before)
    if new is None:
        return diff(first, load_tree(directory))
    with at_revision(directory, new) as after:
        return diff(first, load_tree(after))


def _unpack(archive: bytes, folder: Path) -> None:
    if len(archive) > _MOST_BYTES:
        raise RevisionError("the folder is larger than 64 MiB at this revision")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            content = tar.extractfile(member) if member.isfile() and ".." not in parts else None
            if content is not None:
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())


def _git(directory: Path, *arguments: str) -> bytes:
    command = ["git", "--no-optional-locks", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RevisionError("git could not be run; install it to compare revisions") from error
    if done.returncode:
        raise RevisionError("git does not have this revision here; check its name and that the folder is under git")
    return done.stdout
