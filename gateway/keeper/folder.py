"""Telling when the policy folder has changed and come to rest, without reading every file all the time."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from policy.files import KNOWN_FOLDERS

# So many looks after a change the files are still read: times on disk are coarse, and a second write can hide in one.
_CAREFUL_LOOKS: Final = 20

Signature = tuple[tuple[str, int, int, int], ...]


class PolicyFolder:
    """A folder that people and git write to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._git = _git_folder(path)
        self._signature: Signature | None = None
        self._careful = 0
        self._digest = b""

    def digest(self) -> bytes:
        """Return a hash of what the files hold now, and of where git is."""
        signature = self._look()
        if signature != self._signature:
            self._signature, self._careful = signature, _CAREFUL_LOOKS
        if self._careful > 0:
            self._careful -= 1
            self._digest = self._read()
        return self._digest

    @property
    def git_at_work(self) -> bool:
        """Whether git is changing the work tree at this moment."""
        return self._git is not None and (self._git / "index.lock").exists()

    def _look(self) -> Signature:
        places = [*self._files(), *self._git_marks()]
        return tuple(sorted(mark for place in places if (mark := _mark(place)) is not None))

    def _read(self) -> bytes:
        whole = hashlib.sha256()
        for file in sorted(self._files()):
            name, content = os.fsencode(file), _content(file)
            whole.update(b"%d %d " % (len(name), len(content)) + name + content)
        whole.update(repr([_mark(mark) for mark in self._git_marks()]).encode())
        return whole.digest()

    def _files(self) -> Iterator[Path]:
        yield from _visible(self.path)
        for name in KNOWN_FOLDERS:
            for entry in _visible(self.path / name):
                yield entry
                yield from _visible(entry)  # one level more: prompts/NAME/vN.md; a file has nothing below it

    def _git_marks(self) -> Iterator[Path]:
        """A commit changes no file of ours, only what is known about them; git's own log tells of it."""
        if self._git is not None:
            yield self._git / "logs" / "HEAD"


def _visible(folder: Path) -> Iterator[Path]:
    try:
        for entry in os.scandir(folder):
            if not entry.name.startswith("."):
                yield Path(entry.path)
    except OSError:
        return


def _mark(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return str(path), found.st_size, found.st_mtime_ns, found.st_ino


def _content(path: Path) -> bytes:
    """Return what an ordinary file holds; everything else, and what cannot be read, holds nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _git_folder(path: Path) -> Path | None:
    for folder in (path.absolute(), *path.absolute().parents):
        if (folder / ".git").is_dir():
            return folder / ".git"
    return None
