"""What one running `sluice up` leaves in the data folder: a lock, and where its parts can be reached."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.setting_values import SettingsError
from gateway.settings import Settings

LOCK_FILE = "up.lock"
ADDRESSES_FILE = "up.json"
LOG_FOLDER = "logs"
LAST_BACKUP = "last-backup.json"  # where the newest one is
INTENT = "restore.json"  # a restore that is not finished: the folder holds a mixture


def make_data_folder(settings: Settings) -> None:
    """Create the data folder and its log folder.

    Raises:
        SettingsError: it cannot be created or written.
    """
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (settings.data / LOG_FOLDER).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            "SLUICE_DATA", f"is {settings.data}, which cannot be written ({error.strerror})."
        ) from error
    if not os.access(settings.data, os.W_OK | os.X_OK):
        raise SettingsError("SLUICE_DATA", f"is {settings.data}, which this user cannot write.")
    if (settings.data / INTENT).exists():
        sentence = "where a restore was cut off; finish it with `sluice restore --finish`."
        raise SettingsError("SLUICE_DATA", f"is {settings.data}, {sentence}")


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the data folder for one `sluice up`; the lock goes with the process, however it ends.

    Raises:
        SettingsError: another one holds it.
    """
    with open(settings.data / LOCK_FILE, "a+", encoding="utf-8", opener=private) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            other = _other(lock.read().strip(), address_of(settings, "gateway"))
            sentence = f"is {settings.data}, which another `sluice up` uses{other}; stop it or set another folder."
            raise SettingsError("SLUICE_DATA", sentence) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _other(pid: str, url: str | None) -> str:
    """Say which one, where that is known: one that begins at this moment may not have said it yet."""
    known = [f"process {pid}"] * (pid.isdigit() and alive(int(pid))) + [url or ""] * bool(url)
    return f" ({', '.join(known)})" if known else ""


@contextmanager
def published(settings: Settings, addresses: Mapping[str, str]) -> Iterator[None]:
    """Let commands run beside this process find its parts, whatever ports they moved to."""
    file = settings.data / ADDRESSES_FILE
    with open(file, "w", encoding="utf-8", opener=private) as out:
        json.dump({"pid": os.getpid(), **addresses}, out)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: an `opener` for `open`."""
    fd = os.open(path, flags, 0o600)
    os.fchmod(fd, 0o600)  # one that was there may have been open to others
    return fd


def address_of(settings: Settings, part: str) -> str | None:
    """Return the address under which a running `sluice up` published a part, or None."""
    try:
        found = json.loads((settings.data / ADDRESSES_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found.get(part) if alive(found.get("pid", 0)) else None


def alive(pid: int) -> bool:
    """Tell whether a process runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def log_file(data: Path, part: str) -> Path:
    """Return the log file of a part."""
    return data / LOG_FOLDER / f"{part}.log"


def local_token_file(settings: Settings) -> Path:
    """Return the file with the session token of commands run on this machine, readable by its owner only."""
    return settings.data / "cli.token"
