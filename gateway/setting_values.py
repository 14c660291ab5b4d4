"""How the texts of settings become values; each raises `SettingsError` with a sentence that says what to write."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from metrics.record.keytext import key_bytes


def without_userinfo(text: str) -> str:
    """Return a text with an address in it as it may be shown: without the user and the password before the host."""
    return re.sub(r"://\S*@", "://***@", text)


class SettingsError(Exception):
    """A setting has a value that cannot be used; the text is one sentence that names the setting and what to do."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(without_userinfo(f"{name} {sentence}"))
        self.name = name


@dataclass(frozen=True, slots=True)
class Place:
    """Where relative paths of one source start."""

    folder: Path


def folder(name: str) -> Callable[[str, Place], Path]:
    """Read a folder, which need not exist yet."""

    def parse(text: str, place: Place) -> Path:
        path = (place.folder / Path(text).expanduser()).absolute()
        if path.exists() and not path.is_dir():
            raise SettingsError(name, f"is {text!r}, which is a file; name a folder.")
        return path

    return parse


def port(name: str) -> Callable[[str, Place], int]:
    """Read a port number."""

    def parse(text: str, _place: Place) -> int:
        if not text.isascii() or not text.isdigit() or int(text) > 65535:
            raise SettingsError(name, f"is {text!r}; it must be a port number from 1 to 65535 (0: any free port).")
        return int(text)

    return parse


def time_zone(text: str, _place: Place) -> str:
    """Read the name of a time zone."""
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError) as problem:
        raise SettingsError(
            "SLUICE_TIME_ZONE", f"is {text!r}; it must be an IANA name such as Europe/Berlin."
        ) from problem
    return text


def matching(name: str, pattern: str, wanted: str, *, secret: bool = False) -> Callable[[str, Place], str]:
    """Read a text of a certain form; the sentence never repeats a secret."""

    def parse(text: str, _place: Place) -> str:
        if not re.fullmatch(pattern, text):
            raise SettingsError(name, f"cannot be used; {wanted}" if secret else f"is {text!r}; {wanted}")
        return text

    return parse


def count(name: str, most: int) -> Callable[[str, Place], int]:
    """Read a whole number from 1."""

    def parse(text: str, _place: Place) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise SettingsError(name, f"is {text!r}; it must be a whole number from 1 to {most}.")
        return int(text)

    return parse


def seconds(name: str) -> Callable[[str, Place], float]:
    """Read a number of seconds."""

    def parse(text: str, _place: Place) -> float:
        if not re.fullmatch(r"\d{1,4}(\.\d+)?", text) or not 0 < float(text) <= 3600:
            raise SettingsError(name, f"is {text!r}; it must be a number of seconds above 0, up to 3600.")
        return float(text)

    return parse


def url(name: str) -> Callable[[str, Place], str]:
    """Read an address without a path."""
    wanted = "it must be an address such as http://gateway.example.com:8080, without a path."
    return matching(name, r"https?://[^\s/?#@]+", wanted)


def database_url(text: str, _place: Place, name: str = "SLUICE_DATABASE_URL") -> str:
    """Read an SQLAlchemy address of a kind that is supported."""
    kinds = ("sqlite", "postgresql", "postgresql+psycopg")
    scheme, mark, rest = text.partition("://")
    if scheme not in kinds or not mark or not rest.strip("/"):
        raise SettingsError(
            name, "cannot be used; write sqlite:////path/to/file or postgresql://user:password@host/database."
        )
    try:
        _ = urlsplit(text).port
    except ValueError as error:
        raise SettingsError(name, f"cannot be used: {error}.") from error
    return text


def master_key(text: str, _place: Place) -> str:
    """Check that a text is a master key."""
    try:
        key_bytes(text)
    except ValueError as error:
        sentence = "cannot be used; it must be 32 random bytes as base64, for example from: openssl rand -base64 32"
        raise SettingsError("SLUICE_MASTER_KEY", sentence) from error
    return text


_CHANNEL = r"(mailto:[^\s,@]+@[^\s,@]+|webhook:[A-Z_][A-Z0-9_]*)"
notify = matching(
    "SLUICE_NOTIFY",
    rf"{_CHANNEL}(\s*,\s*{_CHANNEL})*",
    "it must be channels such as mailto:ops@example.com or webhook:NAME_OF_A_VARIABLE, separated by commas.",
)
review_at = matching(
    "SLUICE_REVIEW_AT",
    r"(mon|tue|wed|thu|fri|sat|sun) ([01]\d|2[0-3]):[0-5]\d",
    "it must be a day and a time such as `mon 07:00`.",
)
mail_from = matching("SLUICE_MAIL_FROM", r"[^\s@]+@[^\s@]+", "it must be an e-mail address.")
smtp_url = matching(
    "SLUICE_SMTP_URL",
    r"(smtp|smtps|smtp\+starttls)://\S+",
    "it must be smtp://, smtps:// or smtp+starttls://user:password@host:port.",
    secret=True,
)
