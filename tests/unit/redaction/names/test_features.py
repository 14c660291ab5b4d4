"""The model sees tokens with exact offsets; the memory of words never changes what it sees."""

import gzip
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from redaction.names.features import Features, shape_of
from redaction.names.gazetteer import Gazetteer, load_gazetteer
from redaction.names.tokens import tokenize


@given(st.text(max_size=80))
def test_tokens_lie_in_the_text_in_order(text: str) -> None:
    tokens = tokenize(text)
    end = 0
    for word, start, stop in zip(*tokens, strict=True):
        assert text[start:stop] == word
        assert not text[end:start].strip()
        end = stop


def test_a_possessive_stands_alone() -> None:
    assert tokenize("John's car isn't O'Brien’s").words == ["John", "'s", "car", "isn't", "O", "'", "Brien", "’s"]


def test_shapes() -> None:
    assert [shape_of(w) for w in ("John", "EKS", "iPhone", "12345", "a")] == ["Xxx", "XX", "xXxx", "dd", "x"]


@given(st.lists(st.sampled_from(["Ann", "ann", "Lee", "\n", "of", "IBM"]), max_size=12).map(" ".join))
def test_features_do_not_depend_on_what_was_seen_before(text: str) -> None:
    gazetteer = Gazetteer({"ann": "F", "lee": "FL"})
    used = Features(gazetteer)
    used("IBM of Ann\nlee", tokenize("IBM of Ann\nlee"))
    assert used(text, tokenize(text)) == Features(gazetteer)(text, tokenize(text))


def test_a_gazetteer_file_gives_flags_and_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "g.gz"
    path.write_bytes(gzip.compress(b"- mark the\nFL lee ann\nX nginx"))
    gazetteer = load_gazetteer(path)
    assert (gazetteer.flags("lee"), gazetteer.flags("mark"), gazetteer.flags("nginx")) == ("FL", "", "X")
    assert gazetteer.plain == {"mark", "the"}
