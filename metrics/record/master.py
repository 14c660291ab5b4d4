"""The master key: the one secret from which the others are wrapped or derived."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from metrics.record.fileops import make_folder, sync_folder
from metrics.record.keytext import KEY_BYTES, key_bytes
from metrics.record.refusals import KeysError


class MasterKeyError(KeysError, ValueError):
    """The master key is missing or malformed; the sentence never holds the key."""


class MasterKey:
    """256 bits that never leave the process."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise MasterKeyError(f"the master key must have {KEY_BYTES} bytes, this one has {len(key)}")
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(...)"

    def derive(self, purpose: str) -> bytes:
        """Derive a key for one purpose; different purposes give independent keys."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self._key)


def master_key(data: Path, environ: Mapping[str, str], name: str = "SLUICE_MASTER_KEY") -> MasterKey:
    """Take the master key from the environment (base64 of 32 bytes) or from the data folder, made at first use.

    Raises `MasterKeyError`: it is no key, or it is not where its records are.
    """
    text = environ.get(name, "")
    return MasterKey(_decoded(text, name)) if text else MasterKey(_from_file(data / "keys" / "master.key"))


def _decoded(text: str, source: str) -> bytes:
    try:
        return key_bytes(text)
    except ValueError as problem:
        raise MasterKeyError(f"{source} is not base64 of {KEY_BYTES} bytes: {problem}") from problem


def _from_file(path: Path) -> bytes:
    # Looked for twice: of several processes at a first start, one may have made key and records between two looks.
    if not path.exists() and _recorded(path.parent) and not path.exists():
        raise MasterKeyError(
            f"there is no master key in {path.parent}, and what was recorded beside it is sealed with one: put it back,"
            " or give it in SLUICE_MASTER_KEY. A new one would open nothing; for a new start take an empty data folder"
        )
    if not path.exists():
        _create(path)
    return _decoded(path.read_text(), str(path.name))


def _recorded(keys: Path) -> bool:
    sealed, signed = keys.parent / "journal" / "content", keys.parent / "audit" / "checkpoints"
    return (keys / "keystore.sqlite").exists() or any(
        each.is_dir() and any(each.iterdir()) for each in (sealed, signed)
    )


def _create(path: Path) -> None:
    make_folder(path.parent)
    own = path.with_name(f".{secrets.token_hex(8)}.new")
    fd = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(own)  # of several processes that start at once, one wins
    own.unlink()
    sync_folder(path.parent)
