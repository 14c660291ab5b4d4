"""Sealing texts that the control database keeps: it sees ciphertext only, under a key of each tenant and use."""

import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from metrics.record.master import MasterKey

_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals for one use, such as `gateway/reviews`."""

    master: MasterKey
    use: str

    def seal(self, tenant: str, about: str, raw: bytes) -> bytes:
        """Encrypt something; `about` binds it to its place."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher(tenant).encrypt(nonce, raw, f"{tenant}\0{about}".encode())

    def open(self, tenant: str, about: str, ciphertext: bytes) -> bytes | None:
        """Decrypt; None for what was sealed with another master key or is damaged: nobody can read it any more."""
        nonce, rest = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
        try:
            return self._cipher(tenant).decrypt(nonce, rest, f"{tenant}\0{about}".encode())
        except InvalidTag:
            return None

    def _cipher(self, tenant: str) -> AESGCM:
        return AESGCM(self.master.derive(f"{self.use}/{tenant}"))
