"""What a policy owner relies on: names are found in everyday text, technical words are left alone, levels nest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redaction.names.recognizer import Names

FOUND = [
    ("Hi Sarah, this is Tom Becker from Vantage Logistics in Rotterdam.", "PERSON", "Tom Becker"),
    ("Hi Sarah, this is Tom Becker from Vantage Logistics in Rotterdam.", "ORGANIZATION", "Vantage Logistics"),
    ("Hi Sarah, this is Tom Becker from Vantage Logistics in Rotterdam.", "LOCATION", "Rotterdam"),
    ("my name is maria lopez and i want to cancel", "PERSON", "maria lopez"),
    ("Ticket 4711: customer Jean-Luc Moreau cannot log in.", "PERSON", "Jean-Luc Moreau"),
    ('{"customer": {"first_name": "Ingrid", "last_name": "Halvorsen"}, "amount": 12}', "PERSON", "Halvorsen"),
    ("Spoke with Priya Raman (CFO at Brightstone Ltd) about the renewal.", "PERSON", "Priya Raman"),
    ("The patient, Mr. Okafor, was seen on Monday.", "PERSON", "Okafor"),
    ("The patient, Mr. Okafor, was seen on Monday.", "TITLE", "Mr."),
    ("Please ship it to 12 Oak Street, Springfield, IL 62704.", "LOCATION", "12 Oak Street, Springfield, IL 62704"),
    ("Please ship it to the shop in Rotterdam, 3011 AB.", "POSTCODE", "3011 AB"),
    ("She is a Brazilian citizen.", "NRP", "Brazilian"),
    ("Best regards,\nHelen Whitaker\nOffice Manager", "PERSON", "Helen Whitaker"),
    ("[10:42] priya: did dave sign the contract?", "PERSON", "dave"),
    ("PASSENGER: WILLIAM CARTER FROM: LONDON TO: MADRID", "PERSON", "WILLIAM CARTER"),
]

CLEAN = [
    "nginx on EKS talks to S3 in us-east-1; Kafka and Redis run on EC2.",
    "Restart the ingress controller, then check Grafana and Prometheus.",
    "The invoice INV-20391 is due on Monday; total 1,204.50 EUR.",
    "def load(path: str) -> dict[str, int]: return json.loads(path)",
    "You are a helpful assistant. Answer in one sentence and return valid JSON.",
    "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "id 123e4567-e89b-12d3-a456-426614174000 at 2026-11-22T09:20:56Z",
    "",
    " \n\t ",
]


def covered(names: Names, text: str, level: str) -> set[int]:
    return {i for e in names.find(text, level) for i in range(e.start, e.end) if text[i].isalnum()}


@pytest.mark.parametrize(("text", "kind", "value"), FOUND)
def test_names_are_found_whole(names: Names, text: str, kind: str, value: str) -> None:
    assert (kind, value) in {(e.kind, text[e.start : e.end]) for e in names.find(text, "balanced")}


@pytest.mark.parametrize("text", CLEAN)
def test_technical_and_plain_text_is_left_alone(names: Names, text: str) -> None:
    assert names.find(text, "balanced") == []


def test_off_finds_nothing(names: Names) -> None:
    assert names.find("Hi Sarah Connor", "off") == []


def test_an_unknown_level_is_an_error(names: Names) -> None:
    with pytest.raises(KeyError):
        names.find("Hi Sarah Connor", "loud")


WORDS = st.sampled_from(
    [
        "Anna",
        "tom",
        "Weber",
        "Mark",
        "mark",
        "the",
        "S3",
        "nginx",
        "Paris",
        "may",
        "Bank",
        "of",
        ",",
        ".",
        "\n",
        "12",
        "Ltd",
        "'s",
        "Mr.",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60))
@settings(max_examples=60)
def test_a_stronger_level_hides_at_least_as_much(names: Names, text: str) -> None:
    balanced, strict, paranoid = (covered(names, text, level) for level in ("balanced", "strict", "paranoid"))
    assert balanced <= strict <= paranoid


@given(st.text(max_size=80))
@settings(max_examples=60)
def test_offsets_and_scores_are_sound_for_any_text(names: Names, text: str) -> None:
    end = 0
    for entity in names.find(text, "paranoid"):
        assert end <= entity.start < entity.end <= len(text)
        assert 0.5 <= entity.score <= 1
        end = entity.end


@pytest.mark.parametrize(
    "text",
    [
        "Mit freundlichen Grüßen\n\nIhr Serviceteam",
        "Ihre Bestellung ist da. Gruß",
        "Abs,",
        "Kind regards,\nThe Customer Care Team",
    ],
)
def test_greetings_and_sign_offs_name_nobody(names: Names, text: str) -> None:
    assert names.find(text, "balanced") == []
