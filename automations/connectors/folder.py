"""Takes files from a folder: mail (EML), JSON lines or CSV; a file that was handed over moves to `done/`."""

import csv
import fcntl
import io
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from automations.connectors.base import Bad, Unavailable, bad_shape, offer_all, tell_refused
from automations.connectors.mail import Mail, mail_or_bad
from automations.flow.automation import Offer

MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_LINE: Final = 250_000  # well below what an automation takes, so that no row blocks its folder
_UNFINISHED: Final = (".part", ".tmp", ".crdownload")
_SETTLED_S: Final = 0.5

Reader = Callable[[bytes], Iterator[Any | Bad]]


@dataclass(frozen=True, slots=True)
class Folder:
    """The source of one folder.

    A file is read under a lock that ends with its process, so that two workers never read it at the same time; one
    that was offered only in part when its process died is read again, and the keys of its rows say which are repeats.
    Rows that cannot be read stand in `refused/NAME.reasons` afterwards, by line.
    """

    path: Path
    suffix: str
    read: Reader
    every_s: float = 2.0
    name: str = "folder"

    def poll(self, offer: Offer) -> None:
        """Offer the rows of every file that waits.

        Raises:
            Unavailable: there is no such folder yet.
        """
        if not self.path.is_dir():
            raise Unavailable(f"there is no folder {self.path.absolute()}; files are taken from it once it is there")
        for path in sorted(self.path.iterdir()):
            if self._is_wanted(path):
                with _locked(path) as raw:
                    if raw is not None:
                        self._hand_over(path, raw, offer)

    def _is_wanted(self, path: Path) -> bool:
        return path.suffix.lower() == self.suffix and not path.name.startswith(".") and _is_settled(path)

    def _hand_over(self, path: Path, raw: bytes | Bad, offer: Offer) -> None:
        reasons = []
        for number, bad in offer_all([raw] if isinstance(raw, Bad) else self.read(raw), offer):
            tell_refused(self.name, f"{path.name}:{number}", bad)
            reasons.append(f"{number}: {bad.reason}\n")
        if reasons:
            (self._below("refused") / f"{path.name}.reasons").write_text("".join(reasons), encoding="utf-8")
        whole = isinstance(raw, Bad) or (reasons and self.suffix == ".eml")
        path.replace(self._below("refused" if whole else "done") / _stamped(path.name))

    def _below(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder


def read_eml(raw: bytes) -> Iterator[Mail | Bad]:
    """Read a file that is one mail."""
    yield mail_or_bad(raw)


def json_lines(shape: type[Any]) -> Reader:
    """Read one object of a type from each line."""
    adapter = TypeAdapter(shape)

    def read(raw: bytes) -> Iterator[Any | Bad]:
        for line in raw.splitlines():
            if len(line) > _MAX_LINE:
                yield Bad(f"the line is longer than {_MAX_LINE} bytes")
            elif line.strip():
                yield _shaped(adapter, line)

    return read


def csv_rows(shape: type[Any]) -> Reader:
    """Read one object of a type from each row; the first row names the columns. UTF-8, with or without its mark."""
    adapter = TypeAdapter(shape)

    def read(raw: bytes) -> Iterator[Any | Bad]:
        try:
            rows = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
            for row in rows:
                too_long = None in row or None in row.values()
                yield Bad("the row has another number of columns") if too_long else _shaped(adapter, json.dumps(row))
        except UnicodeDecodeError:
            yield Bad("the file is not UTF-8 text")
        except csv.Error as error:
            yield Bad(f"the file is no CSV ({error})")

    return read


def _shaped(adapter: TypeAdapter[Any], text: bytes | str) -> Any | Bad:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        return bad_shape(error)
    except ValueError:
        return Bad("the line is not UTF-8 text")


@contextmanager
def _locked(path: Path) -> Iterator[bytes | Bad | None]:
    """Read an ordinary file under a lock; None: another process has it, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield None
        return
    with os.fdopen(descriptor, "rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(handle.fileno())
            same = ours.st_ino == path.lstat().st_ino
        except OSError:
            same = False
        if not same:
            yield None
        elif ours.st_size > MAX_BYTES:
            yield Bad(f"the file is larger than {MAX_BYTES} bytes")
        else:
            yield handle.read()


def _is_settled(path: Path) -> bool:
    """Say whether nobody has written to a file for a moment."""
    try:
        return path.suffix not in _UNFINISHED and time.time() - path.lstat().st_mtime > _SETTLED_S
    except OSError:
        return False


def _stamped(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{time.time_ns()}{dot}{suffix}"
