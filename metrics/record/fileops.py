"""The few file operations a journal needs, so that a test can make each of them fail."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class FileOps(Protocol):
    """Every method raises `OSError` as the operating system would."""

    def create(self, path: Path) -> int:
        """Create a file for appending that others see only once it is locked; return its descriptor."""
        ...

    def write(self, fd: int, data: bytes) -> int:
        """Append in one system call; return how many bytes were taken."""
        ...

    def sync(self, fd: int) -> None:
        """Return once the file's data is on stable storage."""
        ...

    def free_share(self, path: Path) -> tuple[int, int]:
        """Return the free and the total bytes of the disk that holds a folder."""
        ...


def sync_data(fd: int) -> None:
    """Force a file's data to stable storage, past the drive's cache where the system offers that."""
    if sys.platform == "darwin":  # fsync alone leaves data in the drive's cache there
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def sync_file(path: Path) -> None:
    """Force the data of a file to stable storage."""
    fd = os.open(path, os.O_RDONLY)
    try:
        sync_data(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, readable only by their owner, each durable in its parent."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def replace_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file and put it in place whole: after a crash there is the old one, or the new one."""
    made = path.with_name(f"{path.name}.new")
    write(made)
    sync_file(made)
    made.replace(path)


class OsFiles:
    """The operating system's files."""

    def create(self, path: Path) -> int:
        """Create, lock, then name: a reader that sees the name also sees the lock."""
        make_folder(path.parent)
        hidden = path.with_name(f".{path.name}.new")
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            hidden.rename(path)
            sync_folder(path.parent)
        except OSError:
            os.close(fd)
            hidden.unlink(missing_ok=True)
            raise
        return fd

    def write(self, fd: int, data: bytes) -> int:
        """Make one system call."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Use fdatasync, or its like."""
        sync_data(fd)

    def free_share(self, path: Path) -> tuple[int, int]:
        """Ask the file system."""
        disk = os.statvfs(path)
        return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


class FaultyFiles(OsFiles):
    """Real files that fail on demand; what reached the disk stays there.

    `full`: writes take `room` more bytes, then ENOSPC. `sync_failures`: so many syncs fail with EIO.
    `free`: what `free_share` reports. `log` lists the operations in order.
    """

    def __init__(self) -> None:
        self.full = False
        self.room = 0
        self.sync_failures = 0
        self.free: tuple[int, int] | None = None
        self.log: list[tuple[str, str]] = []
        self._names: dict[int, str] = {}

    def create(self, path: Path) -> int:
        """Create, unless the disk is full."""
        if self.full and not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fd = super().create(path)
        self._names[fd] = path.parts[-3]
        self.log.append(("create", path.parts[-3]))
        return fd

    def write(self, fd: int, data: bytes) -> int:
        """Write what there is room for."""
        self.log.append(("write", self._names[fd]))
        if not self.full:
            return super().write(fd, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(fd, data[: self.room])
        self.room -= taken
        return taken

    def sync(self, fd: int) -> None:
        """Fail as often as asked to."""
        self.log.append(("sync", self._names[fd]))
        if self.sync_failures:
            self.sync_failures -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(fd)

    def free_share(self, path: Path) -> tuple[int, int]:
        """Report the set figure, or the real one."""
        return self.free or super().free_share(path)


def file_at(path: Path) -> tuple[int, int] | None:
    """Return which file stands at a path, None when there is none: another one has other numbers."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
