"""Snapshots: content-addressed, the same everywhere, and binding by the key's facts only."""

import hashlib
import json
from pathlib import Path

import pytest

from policy.load import load_tree
from policy.model import Facts, Ungoverned
from policy.snapshot import Snapshot
from tests.unit.policy.trees import write


def test_bytes_survive_a_round_trip_and_carry_their_hash(tmp_path: Path) -> None:
    snapshot = load_tree(write(tmp_path, a="applies_to: {team: x}\n", b="retention: {content: 3d}\n"))
    again = Snapshot.from_bytes(snapshot.to_bytes(), git_commit="c", dirty=True)
    assert again.to_bytes() == snapshot.to_bytes()
    assert again.sha256 == snapshot.sha256 == hashlib.sha256(snapshot.to_bytes()).hexdigest()
    assert again.entries == snapshot.entries
    assert (again.git_commit, again.dirty) == ("c", True)
    assert again.bind(Facts(team="x"), {}) == snapshot.bind(Facts(team="x"), {})


def test_comments_and_order_do_not_change_the_hash_and_values_do(tmp_path: Path) -> None:
    one = load_tree(write(tmp_path / "1", a="delivery: live\nretention: {content: 24h, review: 5d}\n"))
    two = load_tree(write(tmp_path / "2", a="# note\nretention: {review: 5d, content: 1d}\n"))
    three = load_tree(write(tmp_path / "3", a="retention: {review: 5d, content: 2d}\n"))
    assert one.sha256 == two.sha256 != three.sha256


def test_bytes_of_another_format_are_refused() -> None:
    for content in (b"{}", b"[]", json.dumps({"format": 99}).encode()):
        with pytest.raises(ValueError, match="no policy snapshot"):
            Snapshot.from_bytes(content)


def test_the_file_that_names_most_facts_governs(tmp_path: Path) -> None:
    snapshot = load_tree(
        write(
            tmp_path,
            a="",
            b="applies_to: {team: [x, y]}\n",
            c="applies_to: {team: x, environment: production}\n",
            d="applies_to: {team: x, environment: production, data_class: health}\n",
        )
    )
    bound = {
        facts: snapshot.bind(facts, {"team": "x"}).name
        for facts in (
            Facts(),
            Facts(team="z"),
            Facts(team="y"),
            Facts(team="x", environment="staging"),
            Facts(team="x", environment="production"),
            Facts(team="x", environment="production", data_class="health"),
        )
    }
    assert list(bound.values()) == ["a", "a", "b", "b", "c", "d"]


def test_a_key_that_no_file_names_is_ungoverned(tmp_path: Path) -> None:
    snapshot = load_tree(write(tmp_path, a="applies_to: {team: x}\n"))
    for labels in ({}, {"team": "x"}):
        with pytest.raises(Ungoverned):
            snapshot.bind(Facts(team="y"), labels)


def test_the_hash_names_the_effective_policy(tmp_path: Path) -> None:
    text = "tighten:\n  - when: {step: export}\n    redaction: {restore: never}\n"
    snapshot = load_tree(write(tmp_path, a=text))
    plain, tight = snapshot.bind(Facts(), {}), snapshot.bind(Facts(), {"step": "export"})
    assert plain.hash12 != tight.hash12
    assert len(plain.hash12) == 12
    assert (plain.tightened, tight.tightened) == ((), ("tighten[0]",))
    assert snapshot.bind(Facts(team="q"), {"other": "1"}) == plain
