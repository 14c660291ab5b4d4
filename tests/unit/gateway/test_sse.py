"""What the reader of event streams accepts, and that the split of the bytes never matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import sse


def read(*chunks: bytes) -> list[bytes]:
    reader = sse.SseReader()
    return [data for chunk in chunks for data in reader.feed(chunk)]


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: {}\n\n", [b"{}"]),
        (b"data:{}\n\n", [b"{}"]),
        (b"data: {}\r\n\r\ndata: 2\r\n\r\n", [b"{}", b"2"]),
        (b"data: {}\r\rdata: 2\r\r", [b"{}", b"2"]),
        (b"\xef\xbb\xbfdata: {}\n\n", [b"{}"]),
        (b": comment\n\ndata: 1\n\n", [b"1"]),
        (b"event: error\nid: 7\ndata: 1\n\n", [b"1"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b"\n\n\ndata: 1\n\n", [b"1"]),
        (b"data: cut off", []),
        (b"database: 1\n\n", []),
        (b"data: [DONE]\n\n", [sse.DONE]),
    ],
)
def test_what_counts_as_an_event(raw: bytes, events: list[bytes]) -> None:
    assert read(raw) == events


lines = st.sampled_from(
    [b"data: {}", b"data:x", "data: żółć".encode(), b": c", b"event: e", b"", b"", b"junk", b"data: [DONE]", b"data"]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(lines, ends), max_size=12), st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_the_split_of_the_bytes_never_matters(parts: list[tuple[bytes, bytes]], cuts: list[int], marked: bool) -> None:
    raw = (b"\xef\xbb\xbf" if marked else b"") + b"".join(line + end for line, end in parts)
    places = sorted({min(cut, len(raw)) for cut in cuts})
    pieces = [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]
    assert read(*pieces) == read(raw)
    assert read(*(raw[i : i + 1] for i in range(len(raw)))) == read(raw)


def test_an_event_without_end_does_not_fill_the_memory() -> None:
    reader = sse.SseReader(max_bytes=100)
    assert reader.feed(b"x" * 100) == []
    with pytest.raises(sse.EventTooLong):
        reader.feed(b"x")


def test_comments_hold_one_line_whatever_is_in_them() -> None:
    assert sse.comment(run="a\r\n\ndata: x", cost_usd=None) == b": sluice run=adata:x\n\n"
