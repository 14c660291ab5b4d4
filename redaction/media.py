"""What counts as media, which is not read: encoded bytes that are no text, in places where such bytes stand."""

import re

from redaction.find import decode_piece

_KEYS = frozenset(
    {"data", "file_data", "b64_json", "image_data", "result", "embedding", "encrypted_content", "obfuscation"}
)
_FROM = 64  # characters; shorter strings are searched whatever they are
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/_-]*={0,2})\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}\Z")


def is_encoded(key: str, value: str) -> bool:
    """Say whether a string is base64 under a key for it; what it holds is another question."""
    return key in _KEYS and len(value) >= _FROM and _BASE64.match(value) is not None


def is_media(key: str, value: object) -> bool:
    """Say whether a string is nothing but encoded bytes that nobody can read as text.

    That is a data URL, or base64 under a key for it. Encoded text is searched like any other.
    """
    if not isinstance(value, str) or len(value) < _FROM:
        return False
    url = _DATA_URL.match(value)
    return decode_piece(url[1]) is None if url else is_encoded(key, value) and decode_piece(value) is None
