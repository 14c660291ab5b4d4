"""Takes mail from an IMAP folder; a message that was handed over moves to another folder."""

import contextlib
import imaplib
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from imap_tools import MailBox, MailboxLoginError, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError
from imap_tools.mailbox import BaseMailBox

from automations.connectors.base import LOCAL, Bad, Refused, Unavailable, offer_all, secret, tell_refused
from automations.connectors.mail import MAX_BYTES, Mail, mail_or_bad
from automations.flow.automation import Offer

_SIZE: Final = re.compile(rb"RFC822\.SIZE (\d+)")


@dataclass(frozen=True, slots=True)
class ImapServer:
    """Where mail waits. `user_env` and `password_env` name environment variables."""

    host: str
    user_env: str
    password_env: str
    port: int = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    folder: str = "INBOX"
    taken: str = "Taken"
    refused: str = "Refused"
    at_most: int = 50
    timeout_s: float = 30


@dataclass(frozen=True, slots=True)
class ImapInbox:
    """The source of one folder. A crash between hand-over and move shows the same message again, with the same id."""

    server: ImapServer
    environ: Mapping[str, str]
    every_s: float = 10.0
    name: str = "imap"

    def poll(self, offer: Offer) -> None:
        """Offer what waits, at most `at_most` messages, and move each to the folder of taken or of refused ones."""
        with self._mailbox() as mailbox:
            uids = mailbox.uids()[: self.server.at_most]
            refused = dict(offer_all((self._read(mailbox, uid) for uid in uids), offer))
            for number, uid in enumerate(uids, 1):
                if (bad := refused.get(number)) is not None:
                    tell_refused(self.name, f"message {uid}", bad)
                self._move(mailbox, uid, self.server.taken if bad is None else self.server.refused)

    def _read(self, mailbox: BaseMailBox, uid: str) -> Mail | Bad:
        size = _SIZE.search(_head(mailbox.client.uid("FETCH", uid, "(RFC822.SIZE)")[1]))
        if size is None or int(size[1]) > MAX_BYTES:
            return Bad(f"the mail is larger than {MAX_BYTES} bytes")
        return mail_or_bad(_body(mailbox.client.uid("FETCH", uid, "(BODY.PEEK[])")[1]))

    def _move(self, mailbox: BaseMailBox, uid: str, folder: str) -> None:
        if not mailbox.folder.exists(folder):
            mailbox.folder.create(folder)
        mailbox.move(uid, folder)

    @contextlib.contextmanager
    def _mailbox(self) -> Iterator[BaseMailBox]:
        server = self.server
        user, password = secret(self.environ, server.user_env), secret(self.environ, server.password_env)
        try:
            mailbox = self._connected()
            with contextlib.ExitStack() as stack:
                stack.callback(_hang_up, mailbox)
                yield mailbox.login(user, password, initial_folder=server.folder)
                mailbox.logout()
        except MailboxLoginError as error:
            raise Refused(
                f"{server.host} refused the login: see {server.user_env} and {server.password_env}"
            ) from error
        except (ImapToolsError, imaplib.IMAP4.error, OSError) as error:
            where = f"{server.folder} at {server.host}:{server.port}"
            raise Unavailable(f"the mailbox {where} cannot be read ({type(error).__name__})") from error

    def _connected(self) -> BaseMailBox:
        host, port, timeout_s = self.server.host, self.server.port, self.server.timeout_s
        if self.server.security == "none":
            if host not in LOCAL:
                raise Refused("mail comes to this machine over TLS only; set `security` to tls or starttls")
            return MailBoxUnencrypted(host, port, timeout_s)
        kind = MailBox if self.server.security == "tls" else MailBoxStartTls
        return kind(host, port, timeout_s, ssl_context=ssl.create_default_context())


def _hang_up(mailbox: BaseMailBox) -> None:
    with contextlib.suppress(OSError):
        mailbox.client.shutdown()


def _head(answer: list[Any]) -> bytes:
    head = answer[0] if answer else b""
    return head[0] if isinstance(head, tuple) else head if isinstance(head, bytes) else b""


def _body(answer: list[Any]) -> bytes:
    return next((part[1] for part in answer if isinstance(part, tuple)), b"")
