"""Placeholders: short keyed stand-ins for values, and how to know them again when a model has written them."""

import hashlib
import re

from redaction.recognizers.base import Recognizer

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_PAIRS = tuple(first + second for second in _ALPHABET for first in _ALPHABET)
_LABELS = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "US_SSN": "SSN",
    "STREET_ADDRESS": "ADDRESS",
    "GPS_COORDINATES": "POSITION",
    "ORGANIZATION": "ORG",
}
KIND = "PLACEHOLDER"
_S = "[a-km-np-z2-9A-KM-NP-Z]{6}"
_LABEL = "[A-Za-z][A-Za-z0-9_]{1,31}"
_EXACT = rf"\[[A-Z][A-Z0-9_]{{1,31}}_{_S}\]"
# As models write it: other case, spaces, bold, other brackets or none. Over folded ASCII.
_BRACKETS = rf"[\[<({{] ?[*_`\\]{{0,3}}{_LABEL}[*`\\]{{0,4}}[_-][*`]{{0,2}}{_S}[*_`\\]{{0,3}} ?[\])>}}]"
_SPACED = rf"[\[<({{] ?[A-Z][A-Z0-9_]{{1,31}} {_S} ?[\])>}}]"
_BARE = rf"\b{_LABEL}[*\\]{{0,4}}_[*]{{0,2}}{_S}\b"
WRITTEN = Recognizer("placeholder", KIND, _EXACT, 1.0)
REWRITTEN = Recognizer("placeholder_rewritten", KIND, rf"{_EXACT}|{_BRACKETS}|{_SPACED}|{_BARE}", 1.0)
EXACTLY = re.compile(_EXACT)
_DROP = bytes(code for code in range(128) if not (48 <= code <= 57 or 97 <= code <= 122))


def label_of(kind: str) -> str:
    """Give the short label of a kind."""
    return _LABELS.get(kind, kind)


def is_exact(text: str) -> bool:
    """Say whether a text is a placeholder to the letter."""
    return EXACTLY.fullmatch(text) is not None


def canonical(text: str) -> str:
    """Give the form under which a placeholder is looked up, however a model wrote it."""
    return text.lower().encode("ascii", "ignore").translate(None, _DROP).decode()


def canonical_value(value: str) -> str:
    """Give the form under which a value is indexed: without case, spaces and separators."""
    return canonical(value.casefold()) or value


class Minter:
    """Makes placeholders with a tenant's key; the same value gives the same one."""

    def __init__(self, key: bytes) -> None:
        self._mark = _keyed(b"sluice placeholder", key, 5)
        self._index = _keyed(b"sluice value index", key, 16)

    def placeholder(self, kind: str, value: str, attempt: int = 0) -> str:
        """Make the placeholder of a value; another `attempt` gives another one, should the first be taken."""
        hashed = self._mark.copy()
        hashed.update(f"{kind}\0{attempt or ''}\0{value}".encode("utf-8", "surrogatepass"))
        number = int.from_bytes(hashed.digest(), "big")
        suffix = _PAIRS[number & 1023] + _PAIRS[number >> 10 & 1023] + _PAIRS[number >> 20 & 1023]
        return f"[{label_of(kind)}_{suffix}]"

    def digest(self, kind: str, value: str) -> str:
        """Make the keyed hash by which a value can be found later."""
        hashed = self._index.copy()
        hashed.update(f"{kind}\0{canonical_value(value)}".encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()


def _keyed(use: bytes, key: bytes, size: int) -> "hashlib.blake2b":
    """Give a keyed hash to be copied for each message."""
    return hashlib.blake2b(digest_size=size, key=hashlib.sha256(use + key).digest())
