"""Sends mail by SMTP: over TLS unless the server is on this machine, to one reader, with an id made of the key."""

import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import parseaddr
from typing import Literal

from automations.connectors.base import LOCAL, Refused, Unavailable, Unsure, secret


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in. `user_env` and `password_env` name environment variables."""

    host: str
    sender: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user_env: str | None = None
    password_env: str | None = None
    timeout_s: float = 30


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one reader; `in_reply_to` is the Message-ID that it answers."""

    to: str
    subject: str
    text: str
    in_reply_to: str | None = None


def send_mail(server: SmtpServer, letter: Letter, key: str, environ: Mapping[str, str]) -> str:
    """Send a mail and return its Message-ID, which is the same for the same `key`.

    Raises:
        Refused: the server or we refuse it. Unavailable: nothing was sent. Unsure: the answer to the text was lost.
    """
    message_id, raw = letter_bytes(server.sender, letter, key)
    try:
        connection = _connected(server, environ)
    except smtplib.SMTPResponseException as error:
        raise _said(error.smtp_code) from error
    except ssl.SSLCertVerificationError as error:
        raise Unavailable("the mail server's certificate is not trusted or not for its name") from error
    except (smtplib.SMTPException, OSError) as error:
        where = f"{server.host}:{server.port}"
        raise Unavailable(f"the mail server {where} cannot be reached ({type(error).__name__})") from error
    try:
        _hand_in(connection, server.sender, letter.to, raw)
    finally:
        connection.close()
    return message_id


def letter_bytes(sender: str, letter: Letter, key: str) -> tuple[str, bytes]:
    """Write a letter as mail; give its Message-ID and its bytes.

    Raises:
        Refused: its reader is not one plain address, or a header has a line break in it.
    """
    if "@" not in letter.to or parseaddr(letter.to)[1] != letter.to:
        raise Refused("the reader's address is not one plain address")
    message = EmailMessage()
    digest = hashlib.sha256(key.encode()).hexdigest()[:40]
    try:
        message["From"], message["To"], message["Subject"] = sender, letter.to, letter.subject
        message["Message-ID"] = f"<{digest}@{parseaddr(sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        if letter.in_reply_to:
            message["In-Reply-To"] = message["References"] = letter.in_reply_to
    except ValueError as error:  # a line break in a header
        raise Refused("a header of the mail has a line break in it") from error
    message.set_content(letter.text)
    return str(message["Message-ID"]), message.as_bytes(policy=SMTP_LINES)


def _connected(server: SmtpServer, environ: Mapping[str, str]) -> smtplib.SMTP:
    if server.security == "none" and server.host not in LOCAL:
        raise Refused("mail leaves this machine over TLS only; set `security` to starttls or tls")
    context = ssl.create_default_context()
    if server.security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_s, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
    try:
        if server.security == "starttls":
            connection.starttls(context=context)
        if server.user_env and server.password_env:
            connection.login(secret(environ, server.user_env), secret(environ, server.password_env))
    except BaseException:
        connection.close()
        raise
    return connection


def _hand_in(connection: smtplib.SMTP, sender: str, to: str, raw: bytes) -> None:
    """Go through sender, reader and text; only an answer that is lost after the text leaves us unsure."""
    try:
        connection.ehlo_or_helo_if_needed()
        for code, _ in (connection.mail(parseaddr(sender)[1]), connection.rcpt(to)):
            if code >= 400:
                raise _said(code)
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail server broke off ({type(error).__name__})") from error
    try:
        code, _ = connection.data(raw)
    except smtplib.SMTPDataError as error:
        raise _said(error.smtp_code) from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unsure("the mail server broke off after the text was sent") from error
    if code != 250:
        raise _said(code)


def _said(code: int) -> Refused | Unavailable:
    """Turn the code of a reply into what it means: 4xx later, 5xx never."""
    told = f"the mail server answered {code}"
    return Unavailable(told) if 400 <= code < 500 else Refused(told)
