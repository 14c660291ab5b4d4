"""Sends messages to people: by e-mail, or to a webhook that understands Slack's `text`."""

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson

from gateway.control import alerts, weekly
from gateway.control.alerts import Message
from gateway.control.database import Database
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.leases import Lease
from gateway.holds.agenda import texts_of
from gateway.keeper.webhooks import TIMEOUT, PublicOnly, Unusable, checked_address
from gateway.sealer import Sealer
from metrics.health.review.faces import as_html, summary

MAIL, HOOK = "mailto:", "webhook:"
_SMTP_S: Final = 20
_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_SENTENCES: Final[Mapping[str, str]] = {
    "smtp_unset": "SLUICE_SMTP_URL names no mail server",
    "smtp_password_unencrypted": "its password would leave unencrypted; use smtps:// or smtp+starttls://",
    "smtp_certificate": "the mail server's certificate is not trusted or not for its name; SSL_CERT_FILE may name "
    "the authority that signed it",
    "SMTPNotSupportedError": "the mail server does not offer STARTTLS",
    "SMTPAuthenticationError": "the mail server does not take the name and the password in SLUICE_SMTP_URL",
}
_log = logging.getLogger("gateway.keeper")


class _Said(NamedTuple):
    subject: str
    text: str
    page: str | None  # of a review: to print


@dataclass(frozen=True, slots=True)
class Post:
    """How mail leaves: the server, and who it is from."""

    url: str | None
    sender: str


@dataclass(frozen=True, slots=True)
class Messenger:
    """Sends what is due. Addresses of webhooks stand in the environment under the names that channels give."""

    database: Database
    sealer: Sealer
    environ: Mapping[str, str]
    post: Post
    private: frozenset[str] = frozenset()

    async def send(self, _lease: Lease) -> int:
        """Try every message that is due; return how many."""
        due = await asyncio.to_thread(alerts.due, self.database)
        for message in due:
            status = await self._try(message)
            sent = status.startswith("2")
            if not sent:
                why = _SENTENCES.get(status, status)
                _log.warning("a message to %s was not sent: %s", message.channel.partition(":")[0], why)
            await asyncio.to_thread(alerts.note, self.database, message, status, sent=sent)
        return len(due)

    async def _try(self, message: Message) -> str:
        try:
            said = await asyncio.to_thread(self._said, message)
            if message.channel.startswith(MAIL):
                await asyncio.to_thread(self._send, self._mail(message, said))
                return "250"
            return await self._hook(message.channel.removeprefix(HOOK), f"*{said.subject}*\n{said.text}")
        except Unusable as error:
            return error.cause
        except ssl.SSLCertVerificationError:
            return "smtp_certificate" if message.channel.startswith(MAIL) else "certificate"
        except (smtplib.SMTPException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__

    def _said(self, message: Message) -> _Said:
        body = message.body
        if body.get("review") is None:
            return _Said(body["subject"], body["text"], None)
        with self.database.read() as conn:
            found = weekly.frozen(conn, message.tenant, body["review"], body["revision"])
            entered = weekly.items(conn, message.tenant, body["review"])
        document: dict[str, Any] = orjson.loads(found.content or b"{}")
        items = [texts_of(self.database, self.sealer, item) for item in entered]
        whose = "" if message.tenant == DEFAULT_TENANT else f" ({message.tenant})"
        page = as_html(document, found.sha256 or "", items)
        return _Said(f"Automation health{whose}, week {found.week}", summary(document), page)

    def _mail(self, message: Message, said: _Said) -> EmailMessage:
        """Write a mail; a further try has the same Message-ID, so that a reader's program shows it once."""
        mail = EmailMessage()
        mail["From"], mail["To"] = self.post.sender, message.channel.removeprefix(MAIL)
        mail["Subject"] = said.subject
        mail["Date"] = format_datetime(datetime.fromtimestamp(self.database.clock_us() // 1_000_000, UTC))
        mail["Message-ID"] = f"<{message.message_id}@{parseaddr(self.post.sender)[1].partition('@')[2] or 'localhost'}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(said.text)
        if said.page is not None:
            mail.add_attachment(said.page.encode(), maintype="text", subtype="html", filename=f"{said.subject}.html")
        return mail

    def _send(self, mail: EmailMessage) -> None:
        """Hand a mail to the server; certificates are checked, and a password goes nowhere in the clear."""
        server, safe = urlsplit(self.post.url or ""), ssl.create_default_context()
        if not server.hostname:
            raise Unusable("smtp_unset")
        if server.username and server.scheme == "smtp" and server.hostname not in _HERE:
            raise Unusable("smtp_password_unencrypted")
        place = (server.hostname, server.port or _PORTS.get(server.scheme, 0))
        with (
            smtplib.SMTP_SSL(*place, timeout=_SMTP_S, context=safe)
            if server.scheme == "smtps"
            else smtplib.SMTP(*place, timeout=_SMTP_S)
        ) as smtp:
            if server.scheme == "smtp+starttls":
                smtp.starttls(context=safe)
            if server.username:
                smtp.login(unquote(server.username), unquote(server.password or ""))
            smtp.send_message(mail)

    async def _hook(self, name: str, text: str) -> str:
        """Post a text; `&`, `<` and `>` are escaped as Slack asks: no name in it becomes a mention or a link."""
        url = checked_address(self.environ.get(name, ""), self.private)
        connector = aiohttp.TCPConnector(resolver=PublicOnly(self.private), use_dns_cache=False)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session,
            session.post(url, json={"text": escape(text, quote=False)}, allow_redirects=False) as reply,
        ):
            return str(reply.status)
