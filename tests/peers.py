"""Real peers of the connectors: an SMTP server, an IMAP server, and an HTTP target that remembers what it was asked."""

import contextlib
import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

NO_DOVECOT = "IMAP server: dovecot is not installed here"
USER, PASSWORD = "ann", "correct-horse"


class Offered(list[Any]):
    """Takes what a source offers, as a queue does."""

    def __call__(self, given: Sequence[Any], /) -> list[None]:
        self.extend(given)
        return [None] * len(given)


@dataclass
class Postbox:
    """Takes mail as an SMTP server; `answers` are given in turn instead of taking one."""

    letters: list[Message] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.letters.append(message_from_bytes(envelope.content))
        return "250 taken"


def _known(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(handled=False, success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()))


@contextlib.contextmanager
def smtp_server(**options: Any) -> Iterator[Postbox]:
    """Run an SMTP server on a free port; with `auth_required=True` it wants a name and a password.

    It speaks TLS from the start with `ssl_context`, and after STARTTLS with `tls_context`.
    """
    postbox = Postbox()
    port = free_port()
    given: dict[str, Any] = {"hostname": "127.0.0.1", "port": port, "authenticator": _known, "auth_require_tls": False}
    server = Controller(postbox, **given | options)
    server.start()
    try:
        postbox.port = port
        yield postbox
    finally:
        server.stop()


@dataclass(frozen=True)
class Imap:
    port: int
    mail: Path

    def deliver(self, *mails: bytes) -> None:
        """Put mails into the inbox, as a delivery agent does."""
        for raw in mails:
            name = f"{time.time_ns()}.M1P1.test"
            new = self.mail / "tmp" / name
            new.write_bytes(raw)
            _own(new)
            new.rename(self.mail / "new" / name)

    def messages(self, folder: str = "") -> list[bytes]:
        """Give the messages of a folder."""
        place = self.mail / f".{folder}" if folder else self.mail
        return [path.read_bytes() for each in ("new", "cur") for path in sorted((place / each).glob("*"))]


_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
listen = 127.0.0.1
mail_location = maildir:{folder}/mail
first_valid_uid = 1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail
}}
"""


@contextlib.contextmanager
def imap_server() -> Iterator[Imap]:
    """Run dovecot as an ordinary program with one mailbox; skip the test where it is not installed."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(NO_DOVECOT)
    folder = Path(tempfile.mkdtemp(prefix="sluice-imap-"))
    user = _user()
    group = grp.getgrgid(user.pw_gid).gr_name
    for each in ("mail/tmp", "mail/new", "mail/cur", "run"):
        (folder / each).mkdir(parents=True)
    for path in (folder, *folder.rglob("*")):
        _own(path)
        path.chmod(0o755)
    port = free_port()
    settings = {"folder": folder, "port": port, "user": user.pw_name, "group": group, "password": PASSWORD}
    (folder / "dovecot.conf").write_text(_DOVECOT.format(**settings))
    process = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")], stderr=subprocess.DEVNULL)
    try:
        _until_open(port, process, folder / "log")
        yield Imap(port, folder / "mail")
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd:
    """Dovecot serves no mail as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _user().pw_uid, _user().pw_gid)


def _until_open(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(log.read_text() if log.exists() else "dovecot did not start")


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Target:
    """An HTTP server: answers by `answers` in turn, then by `otherwise`; remembers requests and the keys it took."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    otherwise: tuple[int, dict[str, str], bytes] = (200, {}, b'{"ok": true}')


@contextlib.contextmanager
def http_target() -> Iterator[Target]:
    """Run an HTTP target on a free port."""
    target = Target()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            told = {name.lower(): value for name, value in self.headers.items()}
            target.asked.append(Asked(self.command, self.path, told, json.loads(raw) if raw else None))
            status, headers, body = target.answers.pop(0) if target.answers else target.otherwise
            if not status:  # hang up
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        target.url = f"http://127.0.0.1:{server.server_port}"
        yield target
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
