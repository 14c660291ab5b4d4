"""Checkpoints as signed notes (C2SP tlog-checkpoint) and the key that verifies them."""

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"


class UnverifiableError(Exception):
    """There is nothing to verify, or no way to: not a verdict about the records."""


class BadNoteError(ValueError):
    """A checkpoint that was not signed with this key, or says something else than it was signed for."""


@dataclass(frozen=True)
class Checkpoint:
    """What a signed note says: after `size` records the tree had this root. `note` is the whole signed text."""

    origin: str
    size: int
    root: bytes
    previous: str  # SHA-256 of the checkpoint before, in hex; empty at the first
    time: str  # RFC 3339, by the clock of the machine that signed
    note: str

    @property
    def sha256(self) -> str:
        """The hash by which the next checkpoint names this one."""
        return hashlib.sha256(self.note.encode()).hexdigest()


@dataclass(frozen=True)
class VerifierKey:
    """Who signs: `origin+hash+key`, the text form of C2SP signed notes."""

    origin: str
    public: Ed25519PublicKey
    raw: bytes

    @staticmethod
    def parse(text: str) -> "VerifierKey":
        """Read the text form. Raises `UnverifiableError`."""
        try:
            origin, hashed, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
            key = VerifierKey(origin, Ed25519PublicKey.from_public_bytes(raw[1:]), raw[1:])
        except (ValueError, binascii.Error) as problem:
            raise UnverifiableError("this is not a verifier key (origin+hash+key)") from problem
        if raw[:1] != ED25519 or key.short.hex() != hashed:
            raise UnverifiableError("the verifier key does not fit its own hash")
        return key

    @property
    def short(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return hashlib.sha256(self.origin.encode() + b"\n" + ED25519 + self.raw).digest()[:4]

    def text(self) -> str:
        """Return the text form."""
        return f"{self.origin}+{self.short.hex()}+{base64.b64encode(ED25519 + self.raw).decode()}"

    def text_of(self, note: str) -> list[str]:
        """Check a note's signature and return the lines that were signed. Raises `BadNoteError`."""
        text, _, signature = str(note).partition("\n\n")
        try:
            name, encoded = signature.removeprefix("\u2014 ").rstrip("\n").split(" ")
            raw = base64.b64decode(encoded, validate=True)
            if name != self.origin or raw[:4] != self.short:
                raise BadNoteError("it is signed with another key")
            self.public.verify(raw[4:], (text + "\n").encode())
        except InvalidSignature as problem:
            raise BadNoteError("its signature is wrong") from problem
        except (ValueError, binascii.Error) as problem:
            raise BadNoteError(str(problem) if isinstance(problem, BadNoteError) else "it is not a note") from problem
        return text.split("\n")

    def open(self, note: str) -> Checkpoint:
        """Read a signed checkpoint. Raises `BadNoteError`."""
        try:
            origin, size, root, previous, time = self.text_of(note)
        except ValueError as problem:
            raise BadNoteError(str(problem) if isinstance(problem, BadNoteError) else "it is not a note") from problem
        fields = int(size), base64.b64decode(root), previous.removeprefix("previous "), time.removeprefix("time ")
        return Checkpoint(origin, *fields, note)


def notes_in(text: str) -> Iterator[str]:
    """Find the signed notes in a text: JSON lines with a `note`, or notes one after the other."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if line.startswith("{"):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                yield json.loads(line)["note"]
        elif line.startswith("\u2014 ") and at >= 6:
            yield "\n".join(lines[at - 6 : at + 1]) + "\n"
