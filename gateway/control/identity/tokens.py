"""Random bearer tokens: handed out once, stored as SHA-256 only.

256 random bits need no slow hash: nobody can try them all.
"""

import hashlib
import secrets
from typing import Final

API_KEY: Final = "sk-sluice-"
SESSION: Final = "sess-"
LINK: Final = "link-"
HINT_CHARS: Final = 4


def new_token(prefix: str) -> str:
    """Return the prefix and 43 base64url characters that hold 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def digest(token: str | bytes) -> bytes:
    """Return the SHA-256 under which a token is stored."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).digest()


def hint(token: str) -> str:
    """Return the last characters of a token, by which a person recognises it."""
    return token[-HINT_CHARS:]
