"""Whatever is changed is noticed; two ways only with an anchor, and that is said. `make campaign-trust` tries more."""

import random
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
