"""Passwords: scrypt with a salt of their own, compared in constant time."""

import hashlib
import hmac
import secrets
from typing import Final

from gateway.control.errors import InvalidInput

MIN_CHARS: Final = 12
MAX_CHARS: Final = 256
_LOG2_N: Final = 15
_R: Final = 8
_P: Final = 1
_SALT_BYTES: Final = 16


def hash_password(password: str) -> str:
    """Return `scrypt$log2n$r$p$salt$key`. Takes about 0.1 s of one core and 32 MB.

    Raises:
        InvalidInput: the password is too short or too long.
    """
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise InvalidInput("password", f"A password has {MIN_CHARS} to {MAX_CHARS} characters.")
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _scrypt(password, salt, _LOG2_N, _R, _P)
    return f"scrypt${_LOG2_N}${_R}${_P}${salt.hex()}${key.hex()}"


def verify_password(password: str, stored: str | None) -> bool:
    """Tell whether a password is the stored one. Takes as long when there is none, so that time tells nothing."""
    if len(password) > MAX_CHARS:
        return False
    _, log2_n, r, p, salt, key = (stored or _NONE).split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(log2_n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(key)) and stored is not None


_NONE: Final = f"scrypt${_LOG2_N}${_R}${_P}${'00' * _SALT_BYTES}${'00' * 32}"


def _scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    n = 1 << log2_n
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)
