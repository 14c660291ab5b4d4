"""Overwriting single frames where they stand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.record.blank import blank, places
from metrics.record.content import Content, ContentGoneError, FrameKeys, seal, unseal
from metrics.record.frames import frame, scan
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey

DAY = "2026-11-22"


@pytest.fixture
def keystore(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keystore.sqlite", MasterKey(b"m" * 32))


def segment(journal: Path, keystore: KeyStore, count: int) -> Path:
    keys = FrameKeys(keystore.day_key("acme", "content:30d", DAY))
    frames = [frame(seal(f"e{n}", "acme", Content(fields={"request": f"text {n}" * 9}), keys)) for n in range(count)]
    path = journal / "content" / DAY / "gw-1-000001.frames"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frames))
    return path


def readable(path: Path, keystore: KeyStore) -> list[str]:
    found = []
    for piece in scan(path.read_bytes(), final=True):
        try:
            found.append(unseal(piece.payload or b"", keystore).header.event_id)
        except ContentGoneError:
            continue
    return found


def test_the_wanted_frames_are_zeros_and_the_others_stay_in_their_places(tmp_path: Path, keystore: KeyStore) -> None:
    path = segment(tmp_path, keystore, 5)
    before = path.read_bytes()
    kept = [place for place in places(before) if place.header and place.header.event_id not in {"e1", "e3"}]
    assert blank(tmp_path, DAY, lambda header: header.event_id in {"e1", "e3"}) == ["e1", "e3"]
    after = path.read_bytes()
    assert readable(path, keystore) == ["e0", "e2", "e4"]
    assert all(before[place.start : place.end] == after[place.start : place.end] for place in kept)
    assert len(after) == len(before)
    assert all(piece.payload is not None for piece in scan(after, final=True)), "an erased frame is no damage"
    assert blank(tmp_path, DAY, lambda header: True) == ["e0", "e2", "e4"]
    keystore.close()


@given(cut=st.integers(0, 4000))
def test_a_crash_in_the_middle_is_finished_by_the_next_try(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("blank")
    keystore = KeyStore(folder / "keystore.sqlite", MasterKey(b"m" * 32), durable=False)
    path = segment(folder, keystore, 3)
    before, middle = path.read_bytes(), list(places(path.read_bytes()))[1]
    done = min(middle.sealed + cut, middle.end)  # only a first piece of what is sealed was overwritten
    path.write_bytes(before[: middle.sealed] + bytes(done - middle.sealed) + before[done:])
    assert blank(folder, DAY, lambda header: header.event_id == "e1") == ["e1"]
    assert not any(path.read_bytes()[middle.start : middle.end])
    assert readable(path, keystore) == ["e0", "e2"]
    keystore.close()
