"""Reading a policy folder's files from disk: ordinary files inside it only, bounded, no links followed."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from policy.problems import PolicyErrors, Pos, Problem, problem

MAX_FILES = 1000
MAX_BYTES = 1 << 20
# Folders with a meaning of their own; any other folder is left alone.
KNOWN_FOLDERS = ("automations", "certificates", "prompts", "templates", "tests")

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class RawFile:
    name: str
    raw: bytes


def read_each(items: Iterable[_Item], problems: list[Problem], read: Callable[[_Item], _Read]) -> Iterator[_Read]:
    """Read every item; what is wrong with one joins the problems, and the others are read all the same."""
    for item in items:
        try:
            found = read(item)
        except PolicyErrors as error:
            problems.extend(error.problems)
        else:
            yield found


def read_folder(directory: Path, below: str = "") -> tuple[list[RawFile], list[Problem]]:
    """Read the `*.yaml` files of a policy folder, or of one folder below it, in name order."""
    problems: list[Problem] = []
    folder = directory / below
    if below and not folder.is_dir():
        return [], problems
    if below and folder.is_symlink():
        return [], [_problem(below, "a symbolic link; put the folder itself here")]
    names = (f"{below}/{name}" if below else name for name in _names(folder))
    return list(read_each(names, problems, partial(_raw, directory))), problems


def read_below(directory: Path, below: str, suffix: str) -> tuple[list[RawFile], list[Problem]]:
    """Read the files with a suffix in the folders of one folder below the policy folder, in name order."""
    files: list[RawFile] = []
    problems: list[Problem] = []
    for folder in _folders(directory / below):
        shown = f"{below}/{folder.name}"
        if folder.is_symlink():
            problems.append(_problem(shown, "a symbolic link; put the folder itself here"))
            continue
        names = sorted(entry.name for entry in folder.iterdir())
        wanted = (f"{shown}/{name}" for name in names if not name.startswith(".") and name.endswith(suffix))
        files.extend(read_each(wanted, problems, partial(_raw, directory)))
    return files, problems


def _raw(directory: Path, name: str) -> RawFile:
    return RawFile(name, read_file(directory, name))


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    if parent.is_symlink():
        return [parent]
    return sorted(entry for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def read_file(directory: Path, name: str) -> bytes:
    """Read one file of the folder; links, devices and names that leave the folder are refused."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise PolicyErrors([_problem(name, "this path leaves the policy folder; move the file inside")])
    try:
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PolicyErrors([_problem(name, _open_reason(error))]) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PolicyErrors([_problem(name, "not an ordinary file; replace it by one")])
    with os.fdopen(descriptor, "rb") as handle:
        return handle.read(MAX_BYTES + 1)


def _names(directory: Path) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        reason = f"cannot read the policy folder ({error.strerror}); check SLUICE_POLICIES"
        raise PolicyErrors([_problem(directory.name or str(directory), reason)]) from error
    yaml = [e.name for e in entries if not e.name.startswith(".") and e.name.endswith((".yaml", ".yml"))]
    if len(yaml) > MAX_FILES:
        raise PolicyErrors([_problem(yaml[MAX_FILES], f"more than {MAX_FILES} policy files; use several folders")])
    yield from yaml


def _open_reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a symbolic link; put the file itself here"
    return f"cannot read this file ({error.strerror}); check its permissions"


def _problem(name: str, message: str) -> Problem:
    return problem(Pos(name, 1, 1), (), message)
