"""Seals what a run stores, under the run's own key: the queue's database sees ciphertext only."""

import secrets
from dataclasses import dataclass
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Damaged(ValueError):
    """A sealed value cannot be opened with this run's key."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """The open key of one run; it is kept in memory only while the run is worked on."""

    run_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"RunKey({self.run_id})"

    def seal(self, field: str, value: Any) -> bytes:
        """Encrypt a JSON value, bound to its run and field."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, orjson.dumps(value), self._about(field))

    def open(self, field: str, sealed: bytes | None) -> Any:
        """Decrypt a value; None stays None.

        Raises:
            Damaged: it was sealed with another key, for another place, or is damaged.
        """
        if sealed is None:
            return None
        try:
            raw = AESGCM(self.key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._about(field))
        except InvalidTag as error:
            raise Damaged(f"the {field} of the run {self.run_id} cannot be opened") from error
        return orjson.loads(raw)

    def _about(self, field: str) -> bytes:
        return f"{self.run_id}\0{field}".encode()
