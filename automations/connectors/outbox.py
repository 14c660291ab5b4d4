"""Where letters go: an SMTP server, or a pickup folder that a mail server empties."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from automations.connectors.base import LOCAL, Refused, port_of
from automations.connectors.smtp import Letter, SmtpServer, letter_bytes, send_mail


class Outbox(Protocol):
    """Sends letters; `takes_key`: the same key never sends two."""

    @property
    def takes_key(self) -> bool: ...

    def send(self, letter: Letter, key: str) -> str:
        """Send a letter; return its Message-ID."""
        ...


@dataclass(frozen=True, slots=True)
class Smtp:
    """Letters over SMTP, which knows no keys."""

    server: SmtpServer
    environ: Mapping[str, str] = field(repr=False)
    takes_key: bool = False

    def send(self, letter: Letter, key: str) -> str:
        """Send it now."""
        return send_mail(self.server, letter, key, self.environ)


@dataclass(frozen=True, slots=True)
class Pickup:
    """Letters as files, named by their key: the same key makes the same file again."""

    folder: Path
    sender: str
    takes_key: bool = True

    def send(self, letter: Letter, key: str) -> str:
        """Write it, whole or not at all."""
        message_id, raw = letter_bytes(self.sender, letter, key)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        unfinished = self.folder / f".{name}.part"
        unfinished.write_bytes(raw)
        unfinished.replace(self.folder / f"{name}.eml")
        return message_id


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No place is named yet: every letter is refused."""

    prefix: str
    takes_key: bool = True

    def send(self, letter: Letter, key: str) -> str:
        """Refuse it."""
        raise Refused(f"no place for letters: set {self.prefix}_SMTP_HOST or {self.prefix}_PICKUP")


def outbox(environ: Mapping[str, str], prefix: str) -> Outbox:
    """Give the place that `PREFIX_SMTP_HOST` (with `_SMTP_PORT`, `_USER`, `_PASSWORD`) or `PREFIX_PICKUP` names.

    `PREFIX_SENDER` is who writes.
    """
    sender = environ.get(f"{prefix}_SENDER") or "support@localhost"
    if host := environ.get(f"{prefix}_SMTP_HOST"):
        port = port_of(environ, f"{prefix}_SMTP_PORT", 587)
        security: Literal["starttls", "none"] = "none" if host in LOCAL else "starttls"
        server = SmtpServer(host, sender, port, security)
        if environ.get(user := f"{prefix}_SMTP_USER"):
            server = replace(server, user_env=user, password_env=f"{prefix}_SMTP_PASSWORD")
        return Smtp(server, environ)
    if folder := environ.get(f"{prefix}_PICKUP"):
        return Pickup(Path(folder), sender)
    return Nowhere(prefix)
