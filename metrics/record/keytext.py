"""The text of a key, as settings and key files hold it."""

import base64
from typing import Final

KEY_BYTES: Final = 32


def key_bytes(text: str) -> bytes:
    """Return the 32 bytes of a key in base64 or base64url, padded or not.

    Raises:
        ValueError: the text is no such key; the message never repeats it.
    """
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise ValueError("the key is not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key must have {KEY_BYTES} bytes, this one has {len(key)}")
    return key
