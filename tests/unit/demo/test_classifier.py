"""The classifiers are useful, not perfect, and the same on every start."""

import os
import subprocess
import sys

import pytest

from demo.provider import corpus
from demo.provider.classifier import Example, best, softmax, train

FOLDS = 5


def held_out_accuracy(kept: corpus.Corpus, whole: corpus.Corpus, task: str) -> float:
    """Mean accuracy on the fifth of the texts that was not trained on."""
    shares = []
    for fold in range(FOLDS):
        unseen = whole.examples[task][fold::FOLDS]
        seen = [example for example in kept.examples[task] if example not in unseen]
        trained = train(task, seen, kept.lexicon)
        hits = [best(trained.probabilities(example.text)) == example.label for example in unseen]
        shares.append(sum(hits) / len(hits))
    return sum(shares) / FOLDS


# These figures stand in docs/explanation/simulated-provider.md.
@pytest.mark.parametrize(
    ("task", "large", "small"),
    [
        ("category", 0.81, 0.68),
        ("priority", 0.68, 0.62),
        ("sentiment", 0.72, 0.70),
        ("industry", 0.86, 0.72),
        ("interest", 0.81, 0.73),
    ],
)
def test_accuracy_on_unseen_texts(task: str, large: float, small: float) -> None:
    whole = corpus.load()
    assert held_out_accuracy(whole, whole, task) == pytest.approx(large, abs=0.02)
    assert held_out_accuracy(corpus.thinned(whole, 3), whole, task) == pytest.approx(small, abs=0.02)


def test_its_probabilities_mean_something() -> None:
    whole = corpus.load()
    unseen, seen = whole.examples["category"][::4], [e for at, e in enumerate(whole.examples["category"]) if at % 4]
    classifier = train("category", seen, whole.lexicon)
    judged = [(max(p := classifier.probabilities(e.text), key=lambda k: p[k]), p, e.label) for e in unseen]
    sure = [best == label for best, p, label in judged if p[best] >= 0.7]
    unsure = [best == label for best, p, label in judged if p[best] < 0.5]
    assert sum(sure) / len(sure) > sum(unsure) / len(unsure) + 0.2


def test_training_does_not_depend_on_the_process() -> None:
    program = (
        "from demo.provider import corpus, classifier as c; whole = corpus.load();"
        "m = c.train('category', whole.examples['category'], whole.lexicon);"
        "print(repr(m.probabilities('the parcel and the invoice are wrong')))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] != ""


def test_a_text_without_known_words_gives_the_classes_equal_shares() -> None:
    classifier = train("x", [Example("red apple", "a"), Example("blue sea", "b")], {})
    assert classifier.probabilities("zzz") == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.01)
    assert not classifier.knows("zzz")


def test_softmax_of_huge_scores_is_finite() -> None:
    assert softmax({"a": 1e6, "b": 0.0}) == {"a": 1.0, "b": 0.0}
