"""Mail out over a real SMTP server and in from a real IMAP server."""

from collections.abc import Sequence
from typing import Any

import pytest

from automations.connectors.base import Refused, Unavailable, Unsure
from automations.connectors.imap import ImapInbox, ImapServer
from automations.connectors.smtp import Letter, SmtpServer, send_mail
from tests.peers import PASSWORD, USER, Offered, Postbox, free_port, imap_server, smtp_server

ENV = {"MAIL_USER": USER, "MAIL_PASSWORD": PASSWORD}
LETTER = Letter("ann@example.com", "Re: Größe", "Schöne Grüße\n.\nand a line with one dot above", "<q@example.com>")


def server(postbox: Postbox, **more: Any) -> SmtpServer:
    return SmtpServer("127.0.0.1", "Help <help@us.example>", postbox.port, security="none", timeout_s=5, **more)


def test_a_letter_arrives_as_it_was_written() -> None:
    with smtp_server() as postbox:
        message_id = send_mail(server(postbox), LETTER, "ticket-7", {})
        assert send_mail(server(postbox), LETTER, "ticket-7", {}) == message_id
        assert send_mail(server(postbox), LETTER, "ticket-8", {}) != message_id
    first = postbox.letters[0]
    assert (first["To"], first["From"], first["In-Reply-To"]) == (
        "ann@example.com",
        "Help <help@us.example>",
        "<q@example.com>",
    )
    assert first["Message-ID"] == message_id
    assert first["Auto-Submitted"] == "auto-generated"
    text = first.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().replace("\r\n", "\n") == LETTER.text + "\n"


@pytest.mark.parametrize(
    ("answer", "raised"), [("451 try later", Unavailable), ("554 no", Refused), ("250 taken", None)]
)
def test_what_the_server_says_decides(answer: str, raised: type[Exception] | None) -> None:
    with smtp_server() as postbox:
        postbox.answers.append(answer)
        if raised is None:
            send_mail(server(postbox), LETTER, "k", {})
        else:
            with pytest.raises(raised):
                send_mail(server(postbox), LETTER, "k", {})


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # on this machine only
def test_a_name_and_a_password_from_the_environment() -> None:
    with smtp_server(auth_required=True) as postbox:
        signed = server(postbox, user_env="MAIL_USER", password_env="MAIL_PASSWORD")
        send_mail(signed, LETTER, "k", ENV)
        with pytest.raises(Refused, match="535"):
            send_mail(signed, LETTER, "k", ENV | {"MAIL_PASSWORD": "wrong"})
        with pytest.raises(Refused, match="MAIL_USER is not set"):
            send_mail(signed, LETTER, "k", {})
    assert len(postbox.letters) == 1


@pytest.mark.parametrize(
    "letter",
    [
        Letter("ann@example.com, eve@example.com", "s", "t"),
        Letter("ann@example.com\r\nBcc: eve@example.com", "s", "t"),
        Letter("nobody", "s", "t"),
        Letter("ann@example.com", "s\r\nBcc: eve@example.com", "t"),
        Letter("ann@example.com", "s", "t", in_reply_to="<a@b>\nBcc: eve@example.com"),
    ],
)
def test_a_letter_goes_to_one_reader_only(letter: Letter) -> None:
    with smtp_server() as postbox, pytest.raises(Refused):
        send_mail(server(postbox), letter, "k", {})
    assert not postbox.letters


def test_nothing_leaves_unencrypted_and_a_server_that_is_away_was_not_asked() -> None:
    with pytest.raises(Refused, match="TLS"):
        send_mail(SmtpServer("mail.example.com", "a@b.example", security="none"), LETTER, "k", {})
    with pytest.raises(Unavailable):
        send_mail(SmtpServer("127.0.0.1", "a@b.example", free_port(), security="none"), LETTER, "k", {})
    with smtp_server() as postbox, pytest.raises(Unavailable):
        send_mail(SmtpServer("127.0.0.1", "a@b.example", postbox.port), LETTER, "k", {})


def test_an_answer_lost_after_the_text_leaves_us_unsure() -> None:
    with smtp_server() as postbox:
        postbox.answers.append("421 closing")
        with pytest.raises(Unavailable):
            send_mail(server(postbox), LETTER, "k", {})
        postbox.answers.append("")  # no reply that the client could read
        with pytest.raises((Unsure, Unavailable, Refused)):
            send_mail(server(postbox), LETTER, "k", {})


def test_mail_from_a_mailbox_is_taken_once() -> None:
    with imap_server() as imap:
        inbox = ImapInbox(
            ImapServer("127.0.0.1", "MAIL_USER", "MAIL_PASSWORD", imap.port, security="none", at_most=3), ENV
        )
        mails = [f"From: a@b.example\r\nSubject: Number {n}\r\n\r\nText {n}\r\n".encode() for n in range(4)]
        imap.deliver(*mails, b" ")
        found = Offered()

        def full(_given: Sequence[Any], /) -> list[None]:
            raise OSError("the queue is full")

        with pytest.raises((OSError, Unavailable)):
            inbox.poll(full)
        assert len(imap.messages()) == 5
        inbox.poll(found)
        inbox.poll(found)
        inbox.poll(found)
        assert [each.subject for each in found] == [f"Number {n}" for n in range(4)]
        assert not imap.messages()
        assert (len(imap.messages("Taken")), len(imap.messages("Refused"))) == (4, 1)


def test_a_mailbox_that_cannot_be_read() -> None:
    with imap_server() as imap:
        place = ImapServer("127.0.0.1", "MAIL_USER", "MAIL_PASSWORD", imap.port, security="none")
        with pytest.raises(Refused, match="login"):
            ImapInbox(place, ENV | {"MAIL_PASSWORD": "wrong"}).poll(Offered())
    with pytest.raises(Unavailable):
        ImapInbox(place, ENV).poll(Offered())
    with pytest.raises(Refused, match="TLS"):
        ImapInbox(ImapServer("mail.example.com", "MAIL_USER", "MAIL_PASSWORD", security="none"), ENV).poll(Offered())
