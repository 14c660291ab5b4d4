"""What a backup says about itself: its layout, its moment, and the hash of every file, keyed by the master key."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.control.database import Position
from gateway.machine.running import private
from metrics.record.master import MasterKey

FILE: Final = "manifest.json"
LAYOUT: Final = 1
_BLOCK: Final = 1 << 20


class BackupError(Exception):
    """A backup cannot be made, or cannot be used; one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` maps a path to its bytes and SHA-256; `records` are under the last checkpoint, `steps` the database's."""

    backup_id: str
    made_at: str
    version: str
    position: Position
    steps: tuple[str, ...]
    records: int
    files: Mapping[str, tuple[int, str]]
    layout: int = LAYOUT

    def write(self, folder: Path, master: MasterKey) -> None:
        """Write the manifest; to sync it is the caller's."""
        text = json.dumps(asdict(self), sort_keys=True)
        with open(folder / FILE, "w", encoding="utf-8", opener=private) as file:
            json.dump({"manifest": text, "mac": _mac(text, master)}, file)


def read(folder: Path, master: MasterKey) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        BackupError: there is none, a newer Sluice wrote it, or it was not made under this master key.
    """
    try:
        outer = json.loads((folder / FILE).read_text("utf-8"))
        said: dict[str, Any] = json.loads(outer["manifest"])
        layout = int(said["layout"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{folder} is no backup: it has no manifest that can be read.") from error
    if layout > LAYOUT:
        sentence = (
            f"has layout {layout} of Sluice {said.get('version')}, newer than this one; restore with that version."
        )
        raise BackupError(f"{folder} {sentence}")
    if not hmac.compare_digest(_mac(outer["manifest"], master), str(outer.get("mac"))):
        raise BackupError(
            f"{folder} was made under another master key, or was changed since; give the key that was in use then."
        )
    files = {path: (size, digest) for path, (size, digest) in said.pop("files").items()}
    at, steps = Position(*said.pop("position")), tuple(said.pop("steps"))
    return Manifest(position=at, steps=steps, files=files, **said)


def check(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest.

    Raises:
        BackupError: one is missing, changed or not listed.
    """
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {FILE}
    odd = found.symmetric_difference(manifest.files)
    if odd:
        raise BackupError(f"{folder} is not whole: {sorted(odd)[0]} is missing, or does not belong there.")
    for path, listed in manifest.files.items():
        if described(folder / path) != listed:
            raise BackupError(f"{folder} was damaged or changed: {path} is not what was backed up.")


def described(path: Path) -> tuple[int, str]:
    """Return a file's bytes and SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _mac(text: str, master: MasterKey) -> str:
    return hmac.digest(master.derive("backup/manifest"), text.encode(), "sha256").hex()
