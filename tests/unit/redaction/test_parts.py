"""The small parts: views and offsets, patterns and beginnings, placeholders, custom recognizers, inspection."""

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.blocks_redaction import CustomRecognizer
from redaction.custom import check_examples, from_policy
from redaction.inspect import inspect
from redaction.linear import Linear, PatternError
from redaction.normalise import Normaliser
from redaction.pattern import analyse, characters
from redaction.placeholders import Minter, canonical, is_exact
from redaction.recognizers.base import Recognizer
from redaction.recognizers.catalogue import BUILT_IN
from redaction.redactor import Redactor
from redaction.resolve import resolve
from redaction.types import Entity
from tests.unit.redaction.conftest import make
from tests.unit.redaction.test_recognizers import FOUND, plain
from tests.unit.redaction.test_secrets import FORMATS


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("plain", b"plain"),
        ("ｆｕｌｌ－ｗｉｄｔｈ ①", b"full-width 1"),
        ("é e\u0301 \u200b\u00adx ß", b"e e x x"),
        ("٤١١١ – “q”", b'4111 - "q"'),
        ("a%40b &#64;&commat; \\u0040 \\x40 \\u{40}", b"a@b @@ @ @ @"),
        ("\\u{110000}", b"\\u{110000}"),
        ("%2540 &amp;#64;", b"@ @"),
        ("j%C3%B6rg", b"jxxrg"),
        ("中文x", b"\x1a\x1ax"),
        ("100% of &nosuch; \\u00", b"100% of &nosuch; \\u00"),
    ],
)
def test_views(text: str, view: bytes) -> None:
    assert Normaliser().view(text).data == view


def test_json_source_has_short_escapes() -> None:
    assert Normaliser().view(r"a\n\"b\/c\\d", in_json=True).data == b'a\n"b/c\\d'


_PIECES = st.sampled_from([*"ab1 @.%4&#;\\u0", "\u200b", "é", "%40", "&#64;", "中", "\u0301"])


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_offsets_of_views_lead_back_in_order(text: str) -> None:
    view = Normaliser().view(text)
    spans = [view.source(at, at + 1) for at in range(len(view.data))]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


SPECIMENS = [Normaliser().view(text).data for text in (*(plain(marked)[0] for _, marked in FOUND), *FORMATS)]


@pytest.mark.parametrize("recognizer", BUILT_IN, ids=lambda one: one.name)
def test_every_beginning_of_a_match_is_known_as_one(recognizer: Recognizer) -> None:
    search = Linear(("(?i)" if recognizer.ignore_case else "") + recognizer.pattern)
    begins = Linear(analyse(recognizer.pattern, recognizer.ignore_case).begins + r"\z")
    for data in SPECIMENS:
        for began, stop, _, _ in search.spans(data, 0, len(data)):
            assert all(begins.first(data[:cut], began) == began for cut in range(began + 1, stop))


@pytest.mark.parametrize(
    ("pattern", "reason"), [("(a)\\1", "groupref"), ("a(?=b)", "assert"), ("^a", "anchor"), ("(", "cannot be read")]
)
def test_patterns_that_a_linear_engine_or_a_stream_cannot_use_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        analyse(pattern)


def test_characters_of_a_pattern() -> None:
    assert characters(r"[a-c]\d?(?:x|y){2}") == frozenset(b"abc0123456789xy")


def test_placeholders() -> None:
    minter = Minter(b"k" * 32)
    mark = minter.placeholder("EMAIL_ADDRESS", "a@b.c")
    assert re.fullmatch(r"\[EMAIL_[a-z2-9]{6}\]", mark)
    assert is_exact(mark)
    assert mark != minter.placeholder("EMAIL_ADDRESS", "a@b.c", 1)
    assert mark != Minter(b"x" * 32).placeholder("EMAIL_ADDRESS", "a@b.c")
    assert canonical(f"**{mark.upper()}** ") == canonical(mark)


def test_overlaps_lose_all_their_characters_and_secrets_name_them() -> None:
    found = [
        Entity("PHONE_NUMBER", 0, 10, 0.9, "a"),
        Entity("SECRET", 8, 20, 0.6, "b"),
        Entity("EMAIL_ADDRESS", 19, 30, 0.95, "c"),
        Entity("VIN", 30, 40, 0.5, "d"),
    ]
    assert [(one.kind, one.start, one.end) for one in resolve(found, "x" * 40)] == [("SECRET", 0, 30), ("VIN", 30, 40)]


@pytest.mark.parametrize(
    ("text", "guess", "known", "expected"),
    [
        ("12 Elm Way, a@b.io", "12 Elm Way, a", ("EMAIL_ADDRESS", "a@b.io"), ["12 Elm Way", "a@b.io"]),
        ("De Vries, IBAN NL91 ok", "De Vries, IBAN NL91", ("IBAN_CODE", "NL91"), ["De Vries", "NL91"]),
        ("Tel. 0664 1234 or Ada", "0664 1234 or Ada", ("PHONE_NUMBER", "0664 1234"), ["0664 1234", "or Ada"]),
        ("ada.l@b.io", "ada.l", ("EMAIL_ADDRESS", "ada.l@b.io"), ["ada.l@b.io"]),
        ("8 rue X, 75011 Paris", "8 rue X, 75011 Paris", ("STREET_ADDRESS", "8 rue X"), ["8 rue X, 75011 Paris"]),
    ],
)
def test_a_guess_that_runs_into_a_value_keeps_what_is_beside_it(
    text: str, guess: str, known: tuple[str, str], expected: list[str]
) -> None:
    at, place = text.index(guess), text.index(known[1])
    found = [
        Entity("LOCATION", at, at + len(guess), 0.99, "names.address"),
        Entity(known[0], place, place + len(known[1]), 0.6, "form"),
    ]
    assert [text[one.start : one.end] for one in resolve(found, text)] == expected


def own(pattern: str, **more: object) -> CustomRecognizer:
    return CustomRecognizer.model_validate(
        {"kind": "BADGE", "pattern": pattern, "examples": {"match": ["badge ACME-123"], "no_match": ["ACME"]}, **more}
    )


def test_examples_of_custom_recognizers_are_run() -> None:
    assert check_examples(own(r"ACME-\d{3}")) == []
    assert check_examples(own(r"ACME")) == ["`ACME` should not match and does"]
    assert check_examples(own(r"BCME-\d{3}")) == ["`badge ACME-123` should match and does not"]
    assert check_examples(own(r"ACME-\d{3}", score=0.1, context=["badge"])) == []


def test_custom_recognizers_that_cannot_work_are_refused_with_a_sentence() -> None:
    for pattern, reason in ((r"x?\b", "empty"), (r"(?:\d{1,40} ){4}", "62 characters"), (r"^ACME", "anchor")):
        assert reason in check_examples(own(pattern))[0]
    assert "no validator" in check_examples(own("A", validator="nosuch"))[0]
    assert from_policy(own(r"ACME-\d+")).run == r"\d"


def test_inspection_gives_offsets_into_the_text_and_what_would_leave(redactor: Redactor) -> None:
    text = '{"mail": "john@example.com"} and 10.0.0.1'
    seen = asyncio.run(inspect(redactor, text))
    assert [(text[one["start"] : one["end"]], one["kind"]) for one in seen["entities"]] == [
        ("john@example.com", "EMAIL_ADDRESS"),
        ("10.0.0.1", "IP_ADDRESS"),
    ]
    assert seen["text"].startswith('{"mail": "[EMAIL_')
    blocked = asyncio.run(inspect(make(request={"contact": {"operator": "block"}}), text))
    assert blocked == {"entities": [], "text": None, "blocked": {"kind": "EMAIL_ADDRESS", "site": "user"}}
