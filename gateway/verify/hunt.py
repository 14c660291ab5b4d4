"""Look for values in bytes, as they are and decoded in the ways in which a value can hide."""

import base64
import binascii
import gzip
import html
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import unquote

_PIECE = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SPACE = re.compile(r"\\+[nrt]")
_SIGNS = re.compile(r"[^a-z0-9]+")
_URL_SAFE = str.maketrans("-_", "+/")
_FRAME = re.compile(r"-----[A-Z ]+-----")  # what all private keys share
_PART = 12
_GZIP = b"\x1f\x8b"


class Haystack:
    """Everything that was seen at one place, in all its readings; case and separators do not count."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._readings: list[str] = []
        for data in pieces:
            raw = gzip.decompress(data) if data.startswith(_GZIP) else data
            self._readings += (bare(reading) for reading in readings(raw.decode("utf-8", "replace")))

    def holds(self, value: str) -> bool:
        """Say whether a value stands there whole in any reading."""
        wanted = bare(value)
        return any(wanted in reading for reading in self._readings)

    def holds_part(self, value: str) -> bool:
        """Say whether a value stands there, or of a long one a part of twelve letters and digits."""
        wanted = bare(_FRAME.sub("", value))
        parts = [wanted[at : at + _PART] for at in range(0, len(wanted) - _PART + 1, _PART // 2)]
        parts = parts if len(wanted) > 2 * _PART else [wanted]
        return any(part in reading for reading in self._readings for part in parts)


def bare(text: str) -> str:
    """Return a text without case and separators."""
    return _SIGNS.sub("", text.lower())


def readings(text: str) -> list[str]:
    """Return a text, and what it says unescaped and decoded."""
    plain = _UNICODE.sub(lambda found: chr(int(found[1], 16)), html.unescape(unquote(_SPACE.sub(" ", text))))
    decoded = [one for piece in _PIECE.findall(plain) for one in _decoded(piece)]
    return [text, plain, "\n".join(decoded)]


def _decoded(piece: str) -> Iterator[str]:
    core = piece.rstrip("=").translate(_URL_SAFE)
    with suppress(binascii.Error, ValueError):
        yield base64.b64decode(core + "=" * (-len(core) % 4)).decode("utf-8", "replace")
    with suppress(ValueError):
        yield bytes.fromhex(piece).decode("utf-8", "replace")
