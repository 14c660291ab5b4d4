"""The fast scorer and decoder give what the definition of the model says."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redaction.names.crf import marginals, marginals_of
from redaction.names.features import Word, describe, strings
from redaction.names.gazetteer import Gazetteer
from redaction.names.scorer import Scorer
from redaction.names.tokens import tokenize
from redaction.names.weights import Weights, read_weights, write_weights

GAZETTEER = Gazetteer({"ann": "F", "lee": "FL", "paris": "K"})
TEXTS = st.lists(st.sampled_from(["Ann", "ann", "Lee", "\n", "of", "IBM", "Paris", ",", "12"]), max_size=40).map(
    " ".join
)
VOCABULARY = "Ann ann Lee \n of IBM Paris , 12 ann of Lee IBM\nAnn , 12"


def described(word: str) -> Word:
    return describe(word, GAZETTEER.flags(word.lower()))


def made_up_weights() -> Weights:
    names = sorted({f for features in strings(VOCABULARY, tokenize(VOCABULARY), described) for f in features})
    state = np.random.default_rng(1).normal(size=(len(names) + 1, 3)).astype(np.float32)
    state[0] = 0
    transitions = np.random.default_rng(2).normal(size=(3, 3)).astype(np.float32)
    return Weights(["O", "LOC", "PER"], transitions, {name: row for row, name in enumerate(names, 1)}, state)


WEIGHTS = made_up_weights()
USED = Scorer(WEIGHTS, GAZETTEER)


@given(TEXTS)
def test_scores_are_the_sum_of_the_weights_of_all_features(text: str) -> None:
    tokens = tokenize(text)
    rows = [[WEIGHTS.rows.get(f, 0) for f in features] for features in strings(text, tokens, described)]
    expected = np.array([WEIGHTS.state[r].sum(axis=0) for r in rows]).reshape(-1, 3)
    assert USED(text, tokens) == pytest.approx(expected, abs=1e-4)


def test_a_full_memory_changes_nothing() -> None:
    scorer = Scorer(WEIGHTS, GAZETTEER)
    text = "Ann of Paris, 12 Lee"
    before = scorer(text, tokenize(text))
    for batch in range(5):
        many = " ".join(f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{'x' * batch}{'y' * (i % 97)}" for i in range(6000))
        scorer(many, tokenize(many))
    assert scorer(text, tokenize(text)) == pytest.approx(before)


def test_probabilities_are_those_of_all_label_sequences() -> None:
    scores = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
    weight = {
        path: np.exp(
            sum(scores[i, y] for i, y in enumerate(path))
            + sum(WEIGHTS.transitions[a, b] for a, b in itertools.pairwise(path))
        )
        for path in itertools.product(range(3), repeat=4)
    }
    total = sum(weight.values())
    expected = [[sum(w for p, w in weight.items() if p[i] == y) / total for y in range(3)] for i in range(4)]
    assert marginals(scores, WEIGHTS.transitions) == pytest.approx(np.array(expected), abs=1e-4)


@pytest.mark.parametrize("count", [1, 52, 53, 64, 500])
def test_windows_of_a_long_text_change_nothing_that_counts(count: int) -> None:
    scores = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    shares = marginals(scores, WEIGHTS.transitions)
    assert shares.shape == (count, 3)
    assert shares.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-4)
    for at in range(0, count, 7):
        low = max(0, at - 25)
        near = marginals(scores[low : at + 26], WEIGHTS.transitions)
        assert shares[at] == pytest.approx(near[at - low], abs=5e-3)


def test_many_texts_at_once_are_read_as_one_by_one() -> None:
    chance = np.random.default_rng(7)
    many = [chance.normal(size=(count, 3)).astype(np.float32) for count in (5, 1, 5, 60, 5, 60, 1, 52)]
    for own, shares in zip(many, marginals_of(many, WEIGHTS.transitions), strict=True):
        assert shares == pytest.approx(marginals(own, WEIGHTS.transitions), abs=1e-6)


def test_a_model_file_keeps_the_model(tmp_path: Path) -> None:
    write_weights(tmp_path / "a.gz", WEIGHTS)
    write_weights(tmp_path / "b.gz", WEIGHTS)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    again = read_weights(tmp_path / "a.gz")
    assert (again.labels, again.rows) == (WEIGHTS.labels, WEIGHTS.rows)
    assert again.state == pytest.approx(WEIGHTS.state, abs=2e-3)
    assert again.transitions == pytest.approx(WEIGHTS.transitions, abs=1e-3)
