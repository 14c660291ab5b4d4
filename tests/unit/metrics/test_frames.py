from hypothesis import given
from hypothesis import strategies as st

from metrics.record.frames import frame, scan

payloads = st.lists(st.binary(max_size=60), min_size=1, max_size=5)


@given(payloads)
def test_frames_come_back_in_order(written: list[bytes]) -> None:
    data = b"".join(frame(payload) for payload in written)
    found = list(scan(data, final=False))
    assert [piece.payload for piece in found] == written
    assert found[0].start == 0
    assert found[-1].end == len(data)


@given(payloads, st.data())
def test_a_live_segment_gives_whole_frames_only(written: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(frame(payload) for payload in written)
    cut = data.draw(st.integers(0, len(whole)))
    found = list(scan(whole[:cut], final=False))
    ends = [len(b"".join(map(frame, written[: n + 1]))) for n in range(len(written))]
    assert [piece.payload for piece in found] == [
        payload for payload, end in zip(written, ends, strict=True) if end <= cut
    ]


@given(payloads, payloads, st.binary(min_size=1, max_size=30))
def test_damage_between_frames_is_named_and_stepped_over(before: list[bytes], after: list[bytes], junk: bytes) -> None:
    head, tail = b"".join(map(frame, before)), b"".join(map(frame, after))
    found = list(scan(head + junk + tail, final=True))
    kept = [piece.payload for piece in found if piece.payload is not None]
    assert kept[: len(before)] == before
    assert kept[-len(after) :] == after
    assert sum(piece.end - piece.start for piece in found) == len(head + junk + tail)


def test_the_torn_end_of_a_dead_writer_is_damage() -> None:
    data = frame(b"one") + frame(b"two")[:-1]
    assert [(piece.start, piece.payload) for piece in scan(data, final=True)] == [(0, b"one"), (15, None)]
