"""Cutting long texts loses nothing and finds nothing twice."""

import re

from hypothesis import given
from hypothesis import strategies as st

from redaction.presidio.pieces import cut
from redaction.types import Entity


def find(text: str) -> list[Entity]:
    return [Entity("W", m.start(), m.end(), 1.0, "w") for m in re.finditer(r"\bname\d*\b", text)]


@given(
    st.lists(
        st.lists(st.sampled_from(["name", "name12", "x", "\n", "word" * 30]), max_size=120).map(" ".join), max_size=4
    )
)
def test_pieces_find_what_the_whole_text_has(texts: list[str]) -> None:
    found: list[list[Entity]] = [[] for _ in texts]
    for group in cut(texts, 300):
        for piece in group:
            found[piece.index] += piece.keep(find(piece.text))
    assert found == [find(text) for text in texts]


@given(st.lists(st.text(max_size=3000), max_size=4))
def test_every_character_belongs_to_exactly_one_piece(texts: list[str]) -> None:
    pieces = [piece for group in cut(texts, 500) for piece in group]
    for index, text in enumerate(texts):
        owned = [(p.own_start, p.own_end) for p in pieces if p.index == index]
        assert [a for a, _ in owned] == ([0, *(b for _, b in owned[:-1])] if text else [])
        assert (owned[-1][1] if owned else 0) == len(text)


def test_groups_stay_small_and_short_texts_share_one() -> None:
    assert len(cut(["short"] * 50, 8_000)) == 1
    groups = cut(["word " * 40_000], 8_000)
    assert 24 <= len(groups) <= 28
    assert all(len(p.text) < 9_000 for group in groups for p in group)


def test_a_text_without_any_gap_is_cut_all_the_same() -> None:
    assert len(cut(["x" * 40_000], 8_000)) >= 5
