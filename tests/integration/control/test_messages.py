"""The weekly review on its way to people: over a real SMTP server and to a real webhook, tried again, never twice."""

import asyncio
import ssl
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.control.database import Database
from gateway.control.leases import Lease, acquire
from gateway.holds.agenda import AGENDA
from gateway.keeper.messages import Messenger, Post
from gateway.keeper.weekly import ReviewBuilder
from gateway.sealer import Sealer
from metrics.record.master import MasterKey
from tests.certificates import self_signed
from tests.contract.control.clock import Clock
from tests.contract.control.making import made_database
from tests.peers import PASSWORD, USER, Postbox, free_port, http_target, smtp_server
from tests.unit.metrics.test_review_faces import document

TUESDAY_US = 1_795_503_600_000_000  # 24 November 2026, 07:00 UTC
PUBLIC: frozenset[str] = frozenset()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with made_database(f"sqlite:///{tmp_path}/control.db", Clock(), "default") as opened:
        yield opened


@pytest.fixture
def lease(database: Database) -> Lease:
    held = acquire(database, "keeper", "test", 10**6)
    assert held is not None
    return held


def frozen(database: Database, lease: Lease, *channels: str) -> int:
    """Let the schedule freeze last week; give how many reviews that made."""
    clock: Any = database.clock_us
    clock.now_us = max(clock.now_us, TUESDAY_US)
    page = orjson.dumps({**document(), "week": "2026-W47"})
    builder = ReviewBuilder(database, lambda _tenant, _given: page, "UTC", "mon 07:00", channels)
    return asyncio.run(builder.build(lease))


def send(
    database: Database, lease: Lease, url: str | None = None, hook: str = "", trusted: frozenset[str] = PUBLIC
) -> int:
    """Send what is due, a quarter of a day after the last time."""
    clock: Any = database.clock_us
    clock.advance(21_600)
    post = Post(url, "Sluice <sluice@example.com>")
    messenger = Messenger(database, Sealer(MasterKey(bytes(32)), AGENDA), {"HOOK": hook}, post, trusted)
    return asyncio.run(messenger.send(lease))


def parts(letter: Message) -> dict[str, str]:
    """Give the text of each part of a mail."""
    found = {}
    for part in letter.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            found[part.get_content_type()] = content.decode()
    return found


def url(postbox: Postbox, who: str = "") -> str:
    return f"smtp://{who}127.0.0.1:{postbox.port}"


def test_the_review_of_last_week_arrives_once_by_mail(database: Database, lease: Lease) -> None:
    with smtp_server() as postbox:
        assert [frozen(database, lease, "mailto:ops@example.com") for _ in range(3)] == [1, 0, 0]
        assert [send(database, lease, url(postbox)) for _ in range(3)] == [1, 0, 0]
    (letter,) = postbox.letters
    assert (letter["To"], letter["From"]) == ("ops@example.com", "Sluice <sluice@example.com>")
    assert letter["Subject"] == "Automation health, week 2026-W47"
    assert letter["Date"] == "Tue, 24 Nov 2026 13:00:00 +0000"
    assert letter["Message-ID"].endswith("@example.com>")
    text, page = (parts(letter)[kind] for kind in ("text/plain", "text/html"))
    assert "triage: task success is 70.0% (at least 80.0% over 7d): it is to be stopped." in text
    assert page.startswith("<!doctype html>")
    assert "<h2>Runs to read</h2>" in page
    assert "<script" not in page


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # on this machine only
def test_a_mail_server_that_was_away_or_said_no_gets_the_same_mail_later(database: Database, lease: Lease) -> None:
    frozen(database, lease, "mailto:ops@example.com")
    assert send(database, lease, f"smtp://127.0.0.1:{free_port()}") == 1
    with smtp_server(auth_required=True) as postbox:
        assert send(database, lease, url(postbox, f"{USER}:wrong@")) == 1
        postbox.answers.append("451 try later")
        assert send(database, lease, url(postbox, f"{USER}:{PASSWORD}@")) == 1
        assert not postbox.letters
        assert send(database, lease, url(postbox, f"{USER}:{PASSWORD}@")) == 1
        assert send(database, lease, url(postbox, f"{USER}:{PASSWORD}@")) == 0
    assert len(postbox.letters) == 1


def secured(way: str, pem: Path) -> dict[str, Any]:
    """Give what makes the server speak TLS: from the start, or after STARTTLS, without which it takes nothing."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    if way == "smtps":
        return {"ssl_context": context, "auth_required": True}
    return {"tls_context": context, "require_starttls": True, "auth_required": True, "auth_require_tls": True}


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the server calls TLS from the start so
@pytest.mark.parametrize("way", ["smtps", "smtp+starttls"])
def test_a_mail_leaves_over_tls_to_a_server_whose_certificate_holds(
    way: str, database: Database, lease: Lease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    pem = self_signed(tmp_path / "server.pem", "localhost")
    frozen(database, lease, "mailto:ops@example.com")
    with smtp_server(**secured(way, pem)) as postbox:
        signed = f"{way}://{USER}:{PASSWORD}@localhost:{postbox.port}"
        send(database, lease, signed)
        assert "certificate is not trusted or not for its name" in caplog.text  # nobody has vouched for it yet
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        caplog.clear()
        send(database, lease, signed.replace("localhost", "127.0.0.1"))
        assert "certificate is not trusted or not for its name" in caplog.text
        send(database, lease, signed.replace(PASSWORD, "wrong"))
        assert "does not take the name and the password" in caplog.text
        assert not postbox.letters
        send(database, lease, signed)
    assert [letter["To"] for letter in postbox.letters] == ["ops@example.com"]
    assert PASSWORD not in caplog.text


def test_a_server_that_offers_no_starttls_gets_nothing(
    database: Database, lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    frozen(database, lease, "mailto:ops@example.com")
    with smtp_server() as postbox:
        send(database, lease, f"smtp+starttls://{USER}:{PASSWORD}@127.0.0.1:{postbox.port}")
    assert "does not offer STARTTLS" in caplog.text
    assert not postbox.letters


@pytest.mark.parametrize("server", [None, "smtp://ann:secret@mail.example.com:25"])
def test_without_a_server_or_a_safe_way_to_it_nothing_leaves(
    database: Database, lease: Lease, server: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    frozen(database, lease, "mailto:ops@example.com")
    send(database, lease, server)
    assert any(word in caplog.text for word in ("names no mail server", "would leave unencrypted"))
    assert "secret@" not in caplog.text


def test_a_webhook_gets_the_headlines_and_no_name_in_them_is_a_mention(database: Database, lease: Lease) -> None:
    frozen(database, lease, "webhook:HOOK")
    with http_target() as target:
        target.answers.append((503, {}, b"{}"))
        for _ in range(3):
            send(database, lease, None, f"{target.url}/services/T0/B0", frozenset({"127.0.0.1"}))
    assert [each.path for each in target.asked] == ["/services/T0/B0"] * 2  # a second time after the 503, then no more
    assert target.asked[0].body == target.asked[1].body
    text = target.asked[1].body["text"]
    assert text.startswith("*Automation health, week 2026-W47*\n")
    assert "<" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("hook", ["", "http://127.0.0.1:1/x", "https://169.254.169.254/latest", "ftp://example.com"])
def test_a_webhook_leads_nowhere_inside(database: Database, lease: Lease, hook: str) -> None:
    frozen(database, lease, "webhook:HOOK")
    for _ in range(9):
        send(database, lease, None, hook)
    assert send(database, lease, None, hook) == 0  # given up, and written down as not sent
