"""Models trained once for all tests of this folder."""

import datetime as dt
import functools
from collections.abc import Mapping

import pytest

from demo.provider import corpus, model
from demo.provider.fields import Knowledge
from demo.provider.model import Model
from demo.provider.reading import Reading

TODAY = dt.date(2026, 3, 2)


@functools.cache
def trained() -> Mapping[str, Model]:
    return model.build(corpus.load())


@pytest.fixture(scope="session")
def large() -> Model:
    return trained()["simulated-large"]


def about(large: Model, text: str) -> Knowledge:
    """What the large model knows when it reads a text."""
    return Knowledge(large.labels, large.language, Reading("answer", "", text, "", ()), TODAY)
