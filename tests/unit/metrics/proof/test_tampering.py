"""Whatever is changed is noticed; two ways only with an anchor, and that is said. `make campaign-trust` tries more."""

import gzip
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.tampering import KINDS, ONLY_WITH_AN_ANCHOR, Told
from metrics.proof.anchor import FolderAnchor
from metrics.proof.offline import verify
from metrics.proof.signer import Signer
from tests.unit.metrics.proof.trees import MASTER, Grown


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed folder with four checkpoints, the last of them anchored."""
    place = tmp_path_factory.mktemp("tamper")
    grown = Grown(place / "data")
    for _ in range(4):
        grown.grow(15)
        grown.auditor.seal()
    assert grown.auditor.latest
    FolderAnchor(place / "anchors").publish(grown.auditor.latest)
    grown.close()
    assert verify(place / "data", grown.signer.key, (place / "anchors",)).problems == []
    return place


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_tampering_is_noticed(whole: Path, tmp_path: Path, kind: Callable[[Told], None]) -> None:
    signer, rng = Signer(MASTER), random.Random(kind.__name__)
    for number in range(12):
        data = tmp_path / str(number)
        shutil.copytree(whole / "data", data)
        kind(Told.read(data, rng, signer))
        assert verify(data, signer.key, (whole / "anchors",)).problems, number
        alone = verify(data, signer.key).problems
        if kind in ONLY_WITH_AN_ANCHOR:
            assert not alone


@pytest.mark.parametrize(
    ("folder", "before", "after"),
    [
        ("journal/order", rb'"crc":"\w+"', b'"crc":"zz"'),
        ("journal/order", rb'"meta/[^"]+"', b"5"),
        ("journal/order", rb'"meta/', b'"../meta/'),
        ("journal/order", rb"\[1,", b'["1",'),
        ("journal/order", rb'"skipped":\[\]', b'"skipped":[[0,0,"x"]]'),
        ("audit/checkpoints", rb'"note":"', b'"note":5,"was":"'),
        ("audit/leaves", rb'"id":"', b'"frame":1,"id":[],"was":"'),
        ("audit/leaves", rb"(?s).*", b"[" * 200_000 + b"\n"),
    ],
)
def test_what_cannot_even_be_read_is_a_finding_and_no_crash(
    whole: Path, tmp_path: Path, folder: str, before: bytes, after: bytes
) -> None:
    data, signer = tmp_path / "data", Signer(MASTER)
    shutil.copytree(whole / "data", data)
    [path] = (data / folder).glob("*.jsonl")
    path.write_bytes(re.sub(before, lambda _: after, path.read_bytes(), count=1))
    assert verify(data, signer.key).problems


def test_half_a_packed_segment_is_a_finding_and_no_crash(whole: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(whole / "data", data)
    path = next((data / "journal" / "meta").rglob("*.jsonl"))
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(packed[: len(packed) // 2])
    assert any("cannot be unpacked" in sentence for _, sentence in verify(data, Signer(MASTER).key).problems)
