"""Reads mail that strangers wrote: bounded in size, parts and depth, in any encoding; attachments stay closed."""

import codecs
import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parseaddr
from typing import Final

from automations.connectors.base import Bad
from automations.plain import text_of_html

MAX_BYTES: Final = 25 * 1024 * 1024
MAX_CHARS: Final = 100_000
_MAX_PARTS: Final = 200
_MAX_DASHES: Final = 10_000  # lines that may begin a part; text has some, too
_MAX_HEAD: Final = 256 * 1024
_MAX_DESCRIPTION: Final = 4_000
_MAX_HEADER: Final = 2_000
_MAX_RECIPIENTS: Final = 50
# Codecs that Python knows and no mail program writes; some take quadratic time.
_NO_TEXT: Final = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DESCRIPTION: Final = re.compile(rb"^content-[a-z-]{1,40}[ \t]*:[^\n]*(?:\n+[ \t][^\n]*)*", re.I | re.M)
_BLANK_LINES: Final = re.compile(r"\n\s*\n\s*\n+")


class Unreadable(ValueError):
    """No mail, or one that no honest program would send."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What stands in the mail beside its text; its bytes are not kept."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Mail:
    """What an automation sees of a mail. `automatic`: a program sent it, so a program must not answer it."""

    id: str
    message_id: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    attachments: tuple[Attachment, ...]
    automatic: bool
    truncated: bool


def read_mail(raw: bytes) -> Mail:
    """Read one mail.

    Raises:
        Unreadable: it is empty, too large, or has too many or too deeply nested parts.
    """
    if not raw.strip():
        raise Unreadable("the mail is empty")
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"the mail is larger than {MAX_BYTES} bytes")
    _refuse_endless(raw.replace(b"\r", b"\n"))
    try:
        message: Message = message_from_bytes(raw)
        leaves = [part for part in message.walk() if not part.is_multipart()]
        if not message.keys():
            raise Unreadable("the mail has no headers")
        if len(leaves) > _MAX_PARTS:
            raise Unreadable(f"the mail has more than {_MAX_PARTS} parts")
        return _mail(message, leaves)
    except RecursionError as error:
        raise Unreadable("the parts or addresses of the mail are nested too deeply") from error


def _refuse_endless(lines: bytes) -> None:
    """Refuse what the parser would take hours or gigabytes for, and no mail program writes."""
    if lines.lower().count(b"\ncontent-type:") > _MAX_PARTS or lines.count(b"\n--") > _MAX_DASHES:
        raise Unreadable(f"the mail has more than {_MAX_PARTS} parts")
    long = (found.end() - found.start() > _MAX_DESCRIPTION for found in _DESCRIPTION.finditer(lines))
    if any(long) or len(lines.partition(b"\n\n")[0]) > _MAX_HEAD:
        raise Unreadable("a header of the mail is too long")


def mail_or_bad(raw: bytes) -> Mail | Bad:
    """Read one mail, or say why it cannot be read."""
    try:
        return read_mail(raw)
    except Unreadable as error:
        return Bad(str(error))


def _mail(message: Message, leaves: list[Message]) -> Mail:
    body = [part for part in leaves if _is_text(part)]
    text = _body(body)
    name, sender = parseaddr(_header(message, "from"))
    recipients = getaddresses([_header(message, "to"), _header(message, "cc")])
    message_id = _header(message, "message-id").strip()
    subject = _header(message, "subject")
    # Not the Message-ID alone: whoever sends first could make another's mail look like a repeat.
    identity = "\0".join((message_id, sender, _header(message, "date"), subject, text))
    return Mail(
        id=hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32],
        message_id=message_id,
        sender=sender.lower(),
        sender_name=name,
        recipients=tuple(address.lower() for _, address in recipients[:_MAX_RECIPIENTS] if address),
        subject=subject,
        text=text[:MAX_CHARS],
        attachments=tuple(_attachment(part) for part in leaves if part not in body),
        automatic=_is_automatic(message),
        truncated=len(text) > MAX_CHARS,
    )


def _header(message: Message, name: str) -> str:
    """Give a header as one line of text, whatever its encoding says."""
    value = message.get(name)
    return "" if value is None else _words(value)


def _words(value: str) -> str:
    try:
        parts = decode_header(value[: 4 * _MAX_HEADER] if isinstance(value, str) else value)
    except (HeaderParseError, ValueError):
        parts = [(str(value), None)]
    text = "".join(_decoded(part, charset) if isinstance(part, bytes) else part for part, charset in parts)
    return _CONTROL.sub("", " ".join(text.split()))[:_MAX_HEADER]


def _is_text(part: Message) -> bool:
    return part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment"


def _body(parts: list[Message]) -> str:
    """Give what stands in the plain parts, else in the HTML parts."""
    plain = [_text(part) for part in parts if part.get_content_subtype() != "html"]
    if not any(text.strip() for text in plain):
        plain = [text_of_html(_text(part)) for part in parts if part.get_content_subtype() == "html"]
    text = _CONTROL.sub("", "\n\n".join(plain).replace("\r\n", "\n").replace("\r", "\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return _decoded(payload, part.get_param("charset")) if isinstance(payload, bytes) else ""


def _decoded(raw: bytes, charset: object) -> str:
    """Decode by the declared charset where it can be, else as UTF-8, else as Windows would."""
    for name in (charset, "utf-8"):
        try:
            if isinstance(name, str) and codecs.lookup(name).name.replace("-", "_") not in _NO_TEXT:
                return raw.decode(name).encode(errors="replace").decode()  # UTF-7 can make half a character
        except (LookupError, ValueError):
            continue
    return raw.decode("cp1252", errors="replace")


def _attachment(part: Message) -> Attachment:
    payload = part.get_payload(decode=True)
    name = part.get_filename()
    plain = _words(name) if isinstance(name, str) else ""  # some programs write it as they write a subject
    shown = re.sub(r"[^\w. -]", "_", plain)[-120:].rstrip(". ")
    return Attachment(shown, part.get_content_type()[:100], len(payload) if isinstance(payload, bytes) else 0)


def _is_automatic(message: Message) -> bool:
    said = _header(message, "auto-submitted").lower()
    bulk = _header(message, "precedence").lower() in ("bulk", "list", "junk", "auto_reply")
    return bulk or (bool(said) and said != "no") or _header(message, "return-path") == "<>"
