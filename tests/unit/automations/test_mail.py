"""Mail that strangers wrote: whatever it is, it is read within bounds or refused with a reason."""

import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automations.connectors import mail
from automations.connectors.base import Bad
from automations.connectors.mail import MAX_CHARS, Unreadable, mail_or_bad, read_mail
from automations.plain import text_of_html


def written(text: str = "Where is my parcel?", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in (
        {"From": "Ann Lee <Ann@Example.com>", "To": "help@us.example", "Subject": "Hi"} | headers
    ).items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def test_a_plain_mail() -> None:
    read = read_mail(written(Message_ID="<1@x>").as_bytes())
    assert (read.sender, read.sender_name, read.recipients) == ("ann@example.com", "Ann Lee", ("help@us.example",))
    assert (read.subject, read.text, read.message_id) == ("Hi", "Where is my parcel?", "<1@x>")
    assert not read.automatic
    assert not read.truncated


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1250", "iso-8859-15"])
def test_encodings(charset: str) -> None:
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = "Grüße aus Köln"
    message.set_content("Die Lieferung kam beschädigt an.", charset=charset)
    read = read_mail(message.as_bytes())
    assert (read.subject, read.text) == ("Grüße aus Köln", "Die Lieferung kam beschädigt an.")


@pytest.mark.parametrize("charset", ["x-unknown", "utf-8", "punycode", "unicode_escape", "", "rot13", "zlib"])
def test_a_wrong_or_strange_encoding_loses_no_mail(charset: str) -> None:
    raw = (
        f"Subject: =?{charset}?q?caf=E9?=\nContent-Type: text/plain; charset={charset}\n\ncaf".encode() + b"\xe9\\u0041"
    )
    read = read_mail(raw)
    assert read.text == "café\\u0041"


def test_html_is_read_as_a_reader_sees_it() -> None:
    message = EmailMessage()
    message["From"] = "a@b.example"
    message.set_content(
        "<html><head><title>no</title></head><body><p>Dear&nbsp;team,</p><script>evil()</script>"
        "<div>please <b>help</b></div></body></html>",
        subtype="html",
    )
    assert read_mail(message.as_bytes()).text == "Dear team,\nplease help"


def test_attachments_are_named_and_never_opened() -> None:
    message = written()
    message.add_attachment(b"MZ" * 500, maintype="application", subtype="x-dosexec", filename="../../etc/in voice.exe")
    message.add_attachment("secret words", filename="notes.txt")
    read = read_mail(message.as_bytes())
    assert [(each.name, each.type, each.size) for each in read.attachments] == [
        (".._.._etc_in voice.exe", "application/x-dosexec", 1000),
        ("notes.txt", "text/plain", 13),
    ]
    assert read.text == "Where is my parcel?"


@pytest.mark.parametrize("headers", [{"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"Return_Path": "<>"}])
def test_a_program_is_recognised(headers: dict[str, str]) -> None:
    assert read_mail(written(**headers).as_bytes()).automatic


def test_too_much_is_cut_or_refused() -> None:
    assert read_mail(written("x " * MAX_CHARS).as_bytes()).truncated
    for raw, reason in (
        (b" \n ", "empty"),
        (b"no header at all", "no headers"),
        (b"a: b\n\n" + b"x" * mail.MAX_BYTES, "larger"),
        (b"a: b\n" + b"\nContent-Type: text/plain\n\nx" * 300, "more than 200 parts"),
    ):
        with pytest.raises(Unreadable, match=reason):
            read_mail(raw)


def test_deeply_nested_parts_are_read_or_refused() -> None:
    raw = b"From: a@b.example\n"
    for depth in range(190):
        raw += f'Content-Type: multipart/mixed; boundary="b{depth}"\n\n--b{depth}\n'.encode()
    raw += b"Content-Type: text/plain\n\ndeep\n"
    found = mail_or_bad(raw)
    assert isinstance(found, Bad) or found.text in ("deep", "")


def test_the_same_mail_has_the_same_id_and_no_other_has() -> None:
    first = read_mail(written(Message_ID="<1@x>").as_bytes())
    assert first.id == read_mail(written(Message_ID="<1@x>").as_bytes()).id
    assert first.id != read_mail(written("Something else", Message_ID="<1@x>").as_bytes()).id


HUGE = 300_000
ENDLESS = {
    "a quoted parameter": b'From: a@b.c\nContent-Type: text/plain; x="' + b";" * HUGE + b"\n\nhi",
    "one in many lines": b"From: a@b.c\nContent-Type: text/plain" + b";\r x=1" * HUGE + b"\n\nhi",
    "a subject": b"From: a@b.c\nSubject: " + b"=?a?q?" * HUGE + b"\n\nhi",
    "an address": b"From: " + b"(" * HUGE + b"\n\nhi",
    "a short address": b"From: " + b"(" * 1500 + b"\n\nhi",
    "parts without a head": b"From: a@b.c\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * HUGE,
}


@pytest.mark.parametrize("raw", ENDLESS.values(), ids=ENDLESS)
def test_what_a_parser_would_take_hours_for_is_refused_at_once(raw: bytes) -> None:
    assert isinstance(mail_or_bad(raw), Bad)


@pytest.mark.parametrize("piece", ["<!--", "<a ", "<a b='", "<script>", "</script ", "<!", "&#1", "<style", "<a\n"])
def test_html_made_to_take_long_is_read_in_one_pass(piece: str) -> None:
    raw = b"From: a@b.c\nContent-Type: text/html\n\n<p>Hello</p>" + piece.encode() * HUGE
    assert read_mail(raw).text.startswith("Hello")


def test_what_no_reader_sees_is_no_text() -> None:
    page = "<head><title>T</title></head><p>A &lt;b&gt; 1 < 2<!-- no <p>x --><script>if (a<b) '<style>'</SCRIPT ><br/>C"
    assert text_of_html(page + "&#99999999999;<template>no</template>") == "A <b> 1 < 2\nC\ufffd"


def test_half_a_character_and_a_hidden_name_of_an_attachment() -> None:
    head = b"From: a@b.c\nContent-Disposition: attachment; filename="
    assert read_mail(b"From: a@b.c\nContent-Type: text/plain; charset=utf-7\n\n+2AA- hi").text == "? hi"
    assert read_mail(head + b'"=?utf-8?b?ZXZpbC5leGU=?="\n\nx').attachments[0].name == "evil.exe"
    assert read_mail(head + b'"evil.exe. ."\n\nx').attachments[0].name == "evil.exe"


@example(b"From: =?utf-8?b?AAAA=?=\nDate: x\n\n")
@example(
    b"Subject: =?utf-8?b?\xff?=\nContent-Type: text/plain; charset*=x''%ff\nContent-Transfer-Encoding: base64\n\nx"
)
@example(b'Content-Type: multipart/mixed; boundary=""\n\n--\n')
@given(st.binary(max_size=400).map(lambda tail: b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\n" + tail))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    found = mail_or_bad(raw)
    assert isinstance(found, Bad) or len(found.text) <= MAX_CHARS
