"""The model sees tokens with exact offsets, and a gazetteer file gives what was written to it."""

import gzip
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from redaction.names.features import lines_of, shape_of
from redaction.names.gazetteer import load_gazetteer
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


def test_lines_are_known_by_case_and_length() -> None:
    text = "hi there\nJOHN SMITH\n\nDear Ann, thanks"
    lines = lines_of(text, tokenize(text))
    assert lines.cases == ["L^", "L=", "U^", "U=", "M^", "M=", "M=", "M="]
    assert lines.lengths == ["2", "2", "2", "2", "4", "4", "4", "4"]


def test_a_gazetteer_file_gives_flags_and_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "g.gz"
    path.write_bytes(gzip.compress(b"- mark the\nFL lee ann\nX nginx"))
    gazetteer = load_gazetteer(path)
    assert (gazetteer.flags("lee"), gazetteer.flags("mark"), gazetteer.flags("nginx")) == ("FL", "", "X")
    assert gazetteer.plain == {"mark", "the"}
