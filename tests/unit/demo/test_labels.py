"""Allowed labels are matched to what the model has learnt, whatever a caller names them."""

import pytest

from demo.provider.classifier import best
from demo.provider.model import Model

REFUND = "You charged my card twice, I want my money back"
CRASH = "The app crashes on start and shows an error"


@pytest.mark.parametrize(
    ("labels", "hint", "text", "expected"),
    [
        (["billing", "technical", "other"], "category", REFUND, "billing"),
        (["billing", "technical", "other"], "category", CRASH, "technical"),
        (["refund_request", "bug_report", "somethingElse"], "intent", REFUND, "refund_request"),
        (["finance-team", "it-support", "logistics", "legal"], "team", CRASH, "it-support"),
        (["P1", "P2", "P3"], "priority", "Production is down, nobody can work!", "P1"),
        (["billing", "delivery", "other"], "", "I wish to read about whales", "other"),
    ],
)
def test_labels_follow_their_meaning(large: Model, labels: list[str], hint: str, text: str, expected: str) -> None:
    shares = large.labels.distribution(labels, text, hint)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert best(shares) == expected


def test_labels_it_knows_nothing_of_are_chosen_by_the_text_alone(large: Model) -> None:
    shares = large.labels.distribution(["apple", "pear"], "a glass of pear juice")
    assert shares["pear"] > 0.7
    assert large.labels.distribution(["apple", "pear"], "hello") == {"apple": 0.5, "pear": 0.5}


def test_a_yes_no_name_that_means_a_class_gets_its_probability(large: Model) -> None:
    assert (large.labels.class_probability("is_urgent", "Server is down, emergency, now!") or 0) > 0.5
    assert large.labels.class_probability("has_umbrella", "Server is down") is None
