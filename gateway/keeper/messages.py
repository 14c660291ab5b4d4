"""Sends messages to people: by e-mail, or to a webhook that understands Slack's `text`."""

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson

from gateway.control import alerts, weekly
from gateway.control.alerts import Message
from gateway.control.database import Database
from gateway.control.leases import Lease
from gateway.holds.agenda import texts_of
from gateway.keeper.webhooks import TIMEOUT, PublicOnly, Unusable, checked_address
from gateway.sealer import Sealer
from metrics.health.review.faces import as_html, summary

MAIL, HOOK = "mailto:", "webhook:"
_SMTP_S: Final = 20
_log = logging.getLogger("gateway.keeper")


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
                _log.warning("a message to %s was not sent: %s", message.channel.partition(":")[0], status)
            await asyncio.to_thread(alerts.note, self.database, message, status, sent=sent)
        return len(due)

    async def _try(self, message: Message) -> str:
        try:
            subject, text, page = await asyncio.to_thread(self._said, message)
            if message.channel.startswith(MAIL):
                to = message.channel.removeprefix(MAIL)
                await asyncio.to_thread(self._mail, to, subject, text, page)
                return "250"
            return await self._hook(message.channel.removeprefix(HOOK), f"*{subject}*\n{text}")
        except Unusable as error:
            return error.cause
        except (smtplib.SMTPException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__

    def _said(self, message: Message) -> tuple[str, str, str | None]:
        """Return subject, text and, of a review, the page to print."""
        body = message.body
        if body.get("review") is None:
            return body["subject"], body["text"], None
        with self.database.read() as conn:
            found = weekly.frozen(conn, message.tenant, body["review"], body["revision"])
            entered = weekly.items(conn, message.tenant, body["review"])
        document: dict[str, Any] = orjson.loads(found.content or b"{}")
        items = [texts_of(self.database, self.sealer, item) for item in entered]
        page = as_html(document, found.sha256 or "", items)
        return f"Automation health, week {found.week}", summary(document), page

    def _mail(self, to: str, subject: str, text: str, page: str | None) -> None:
        server = urlsplit(self.post.url or "")
        if not server.hostname:
            raise Unusable("smtp_unset")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.post.sender, to, subject
        mail.set_content(text)
        if page is not None:
            mail.add_attachment(page.encode(), maintype="text", subtype="html", filename=f"{subject}.html")
        plain = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
        with plain(server.hostname, server.port or 0, timeout=_SMTP_S) as smtp:
            if server.scheme == "smtp+starttls":
                smtp.starttls(context=ssl.create_default_context())
            if server.username:
                smtp.login(unquote(server.username), unquote(server.password or ""))
            smtp.send_message(mail)

    async def _hook(self, name: str, text: str) -> str:
        url = checked_address(self.environ.get(name, ""), self.private)
        connector = aiohttp.TCPConnector(resolver=PublicOnly(self.private), use_dns_cache=False)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session,
            session.post(url, json={"text": text}, allow_redirects=False) as reply,
        ):
            return str(reply.status)
