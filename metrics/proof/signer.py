"""Signs checkpoints. The key is derived from the master key, so whoever restores one has the other."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from metrics.proof.notes import Checkpoint, VerifierKey
from metrics.record.master import MasterKey


class Signer:
    """Holds the private key; `key` is what verifiers need."""

    def __init__(self, master: MasterKey) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(master.derive("audit/ed25519"))
        public = self._private.public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = VerifierKey(f"sluice/{sha256(raw).hexdigest()[:16]}", public, raw)

    def sign(self, size: int, root: bytes, previous: Checkpoint | None, now_us: int) -> Checkpoint:
        """Say, signed, that after `size` records the tree has this root."""
        time = datetime.fromtimestamp(now_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = previous.sha256 if previous else ""
        origin, shown = self.key.origin, base64.b64encode(root).decode()
        note = self.note(origin, str(size), shown, f"previous {before}", f"time {time}")
        return Checkpoint(origin, size, root, before, time, note)

    def note(self, *lines: str) -> str:
        """Sign lines of text."""
        text = "\n".join(lines) + "\n"
        signature = base64.b64encode(self.key.short + self._private.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.key.origin} {signature}\n"
