"""Ways around redaction: encodings, disguises and odd places must not carry a value out, in requests or in answers."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from redaction.redactor import Redactor
from redaction.types import Vault
from tests.unit.redaction.conftest import clear

MAIL, CARD = "jane.roe@example.com", "4111111111111111"
TEXT = f"Dear team, please write to {MAIL} about the card {CARD}, it is urgent and will not wait until Monday morning."


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wrapped(text: str) -> str:
    code = b64(text)
    return "\n".join(code[at : at + 76] for at in range(0, len(code), 76))


def nested(text: str, depth: int) -> str:
    value: Any = {"text": text}
    for _ in range(depth):
        value = {"inner": json.dumps(value)}
    return json.dumps(value)


DISGUISES = {
    "percent": quote(TEXT, safe=""),
    "percent twice": quote(quote(TEXT, safe=""), safe=""),
    "html": "".join(f"&#{ord(char)};" for char in TEXT),
    "html hex": "".join(f"&#x{ord(char):x};" for char in TEXT),
    "json escapes": "".join(f"\\u{ord(char):04x}" for char in TEXT),
    "hex escapes": "".join(f"\\x{ord(char):02x}" for char in TEXT),
    "base64": b64(TEXT),
    "base64 of base64": b64(b64(TEXT)),
    "base64 in lines": wrapped(TEXT),
    "base64 behind a path": f"https://api.example.com/v1/body/{b64(TEXT)}",
    "base64 in a data url": f"data:text/plain;base64,{b64(TEXT)}",
    "base64, very long": b64("nothing here, go on. " * 5000 + TEXT),
    "hexadecimal": TEXT.encode().hex(),
    "base32": base64.b32encode(TEXT.encode()).decode(),
    "base32 in small letters": base64.b32encode(TEXT.encode()).decode().lower().rstrip("="),
    "base64 of utf-16": base64.b64encode(TEXT.encode("utf-16-le")).decode(),
    "octal escapes": "".join(f"\\{ord(char):03o}" for char in TEXT),
    "letter by letter": f"write to {' '.join(MAIL)} soon",
    "full width": "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in TEXT),
    "zero width": "\u200b".join(TEXT),
    "soft hyphens": "\u00ad".join(TEXT),
    "mathematical letters": "".join(chr(0x1D5BA + ord(char) - 97) if "a" <= char <= "z" else char for char in TEXT),
    "cyrillic look-alikes": TEXT.translate(str.maketrans("aeopcxy", "аеорсху")),
    "arabic digits": TEXT.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    "json in json in json": nested(TEXT, 12),
    "json with escapes in json": json.dumps({"a": "".join(f"\\u{ord(char):04x}" for char in TEXT)}),
    "escaped lines": TEXT.replace(" ", "\\n"),
    "one very long word": "a" * 30_000 + " " + TEXT + " " + "b" * 30_000,
    "in a long list": "; ".join(f"item {n}" for n in range(4000)) + TEXT,
}


@pytest.mark.parametrize("name", DISGUISES)
@pytest.mark.parametrize("place", ["content", "tool", "key", "data", "metadata", "odd"])
def test_a_request_does_not_carry_a_disguised_value(redactor: Redactor, name: str, place: str) -> None:
    text = DISGUISES[name]
    bodies: dict[str, dict[str, Any]] = {
        "content": {"messages": [{"role": "user", "content": text}]},
        "tool": {"messages": [{"role": "tool", "tool_call_id": "c", "content": json.dumps({"result": text})}]},
        "key": {"messages": [{"role": "tool", "content": json.dumps({text: 1})}]},
        "data": {"messages": [{"role": "tool", "content": json.dumps({"data": text, "type": "mail"})}]},
        "metadata": {"messages": [], "metadata": {"note": text}},
        "odd": {"messages": [], "x_unknown": [[{"deep": [text]}]]},
    }
    cleared = clear(redactor, bodies[place])
    found = {finding.kind for finding in cleared.findings if finding.action == "pseudonym"}
    assert found & {"EMAIL_ADDRESS", "CREDIT_CARD"}
    sent = json.dumps(cleared.body, ensure_ascii=False)
    for secret in (MAIL, CARD, b64(TEXT)[40:80], TEXT.encode().hex()[80:160], quote(MAIL)):
        assert secret not in sent


# Long encoded text in prose is not looked into in answers: it begins no match that a stream could wait for.
IN_ANSWERS = {
    name: text
    for name, text in DISGUISES.items()
    if not name.startswith(("base", "hexadecimal", "percent twice", "letter by letter"))
}


@pytest.mark.parametrize("name", IN_ANSWERS)
@pytest.mark.parametrize("place", ["content", "arguments", "sibling", "key", "deep"])
def test_an_answer_does_not_carry_a_disguised_value(redactor: Redactor, name: str, place: str) -> None:
    text = IN_ANSWERS[name]
    messages: dict[str, dict[str, Any]] = {
        "content": {"content": text},
        "arguments": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": json.dumps({"a": text})}}]},
        "sibling": {"content": None, "x_note": text},
        "key": {"x_note": {text: 1}},
        "deep": {"x_note": [[{"a": [text]}]]},
    }
    answer = redactor.screen(Vault(), "chat.completions").whole({"choices": [{"index": 0, "message": messages[place]}]})
    screen = redactor.screen(Vault(), "chat.completions")
    events = screen.chunk({"choices": [{"index": 0, "delta": messages[place]}]})
    events += screen.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    for seen in (answer.clean, answer.reply, *(event.reply for event in events)):
        shown = json.dumps(seen, ensure_ascii=False)
        assert MAIL not in shown
        assert CARD not in shown
    assert {"EMAIL_ADDRESS", "CREDIT_CARD"} & {finding.kind for finding in screen.findings}


@pytest.mark.parametrize("key", ["data", "b64_json", "result", "obfuscation", "encrypted_content", "embedding"])
@pytest.mark.parametrize("streams", [False, True])
def test_encoded_text_is_no_media_whatever_its_key(redactor: Redactor, key: str, streams: bool) -> None:
    image = base64.b64encode(bytes(range(256)) * 4).decode()
    for value, passes in ((b64(TEXT), False), (TEXT, False), (image, True)):
        field, screen = {"audio": {key: value}}, redactor.screen(Vault(), "chat.completions")
        if streams:
            events = screen.chunk({"choices": [{"index": 0, "delta": field}]})
            events += screen.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            shown = json.dumps([event.reply for event in events])
        else:
            shown = json.dumps(screen.whole({"choices": [{"index": 0, "message": field}]}).reply)
        assert (value in shown) == passes
        assert MAIL not in shown


def test_a_long_value_does_not_continue_in_the_next_part(redactor: Redactor) -> None:
    key = (
        "-----BEGIN PRIVATE "
        + "KEY-----\n"
        + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 9
        + "-----END PRIVATE "
        + "KEY-----"
    )
    for cut in (30, 60, 150, 290):
        halves = [f"my key: {key[:cut]}", key[cut : cut + 20], f"{key[cut + 20 :]} thanks"]
        content = [{"type": "text", "text": half} for half in halves]
        sent = json.dumps(clear(redactor, {"messages": [{"role": "user", "content": content}]}).body)
        assert "MIIEvQ" not in sent
        assert "BAQEFAASC" not in sent
        assert "thanks" in sent


def test_sound_is_passed_and_text_as_sound_is_not(redactor: Redactor) -> None:
    sound = base64.b64encode(bytes(range(256))).decode()
    for value, passes in ((sound, True), (b64(TEXT), False)):
        screen = redactor.screen(Vault(), "responses")
        (event,) = screen.chunk({"type": "response.audio.delta", "delta": value})
        assert (event.reply["delta"] == value) == passes


@pytest.mark.parametrize(
    "field",
    [{"input": {"card": int(CARD)}}, {"x": float(CARD)}, {"x": [int(CARD)]}, {"id": CARD}],
)
def test_numbers_and_identifiers_are_looked_at(redactor: Redactor, field: dict[str, Any]) -> None:
    message = {"role": "assistant", **field}
    screened = redactor.screen(Vault(), "x").whole({"choices": [{"index": 0, "message": message}]})
    shown = json.dumps(screened.reply)
    assert CARD not in shown
    assert "4.111" not in shown


def test_what_stands_around_a_delta_is_looked_at(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "responses")
    event = {"type": "response.output_text.delta", "item_id": "i", "delta": "Hello there. ", "x_note": TEXT}
    shown = json.dumps([body.reply for body in screen.chunk(event)])
    assert MAIL not in shown
    assert "Hello there." in shown


def test_ordinary_identifiers_numbers_and_times_stay(redactor: Redactor) -> None:
    body = {
        "id": "chatcmpl-AbC123dEf456GhI789jKl012",
        "created": 1763812345,
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [
            {
                "index": 0,
                "message": {
                    "tool_calls": [{"id": "call_9f86d081884c7d65", "function": {"name": "f", "arguments": "{}"}}]
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"total_tokens": 123456789012},
        "expires_at": 4111111111111111,
    }
    assert redactor.screen(Vault(), "x").whole(body).reply == body


@pytest.mark.parametrize("field", ["id", "model", "system_fingerprint", "service_tier", "x_note"])
@pytest.mark.parametrize("value", [MAIL, f"req-{MAIL}", f"about {CARD}", {"card": int(CARD)}])
def test_what_stands_around_pieces_of_text_reads_as_in_the_whole_answer(
    redactor: Redactor, field: str, value: Any
) -> None:
    around = {"id": "chatcmpl-AbC1", "created": 1763812345, field: value}
    screen = redactor.screen(Vault(), "x")
    events = [{**around, "choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Hello ", "dear ", "you")]
    sent = [body.reply for event in events for body in screen.chunk(event)] + [body.reply for body in screen.close()]
    whole = redactor.screen(Vault(), "x").whole({**around, "choices": []}).reply
    assert "".join(body["choices"][0]["delta"]["content"] for body in sent) == "Hello dear you"
    assert {json.dumps(body[field]) for body in sent} == {json.dumps(whole[field])}
    assert MAIL not in json.dumps(sent)
    assert CARD not in json.dumps(sent)
    assert len(screen.findings) == 1


def test_a_field_around_the_text_may_change_in_the_middle(redactor: Redactor) -> None:
    screen = redactor.screen(Vault(), "x")
    sent = [
        body.reply
        for note in ("fp_1", MAIL, "fp_1", MAIL)
        for body in screen.chunk({"system_fingerprint": note, "choices": [{"index": 0, "delta": {"content": "so "}}]})
    ]
    assert [body["system_fingerprint"] for body in sent] == ["fp_1", "<EMAIL_ADDRESS>", "fp_1", "<EMAIL_ADDRESS>"]
