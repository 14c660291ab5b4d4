"""Anchors keep what was signed where the data folder's owner cannot rewrite it; what fails is said and tried again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from metrics.proof.anchor import Anchorage, FolderAnchor, GitAnchor, anchors_of
from metrics.proof.anchor_remote import AnchorError
from metrics.proof.notes import Checkpoint
from metrics.proof.offline import main
from metrics.proof.pack import verifier
from metrics.proof.prove import NotProvableError, prove
from tests.unit.metrics.proof.trees import Grown


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare git repository."""
    path = tmp_path / "anchors.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)
    return path


def test_an_end_that_was_cut_off_is_noticed_with_an_anchor_and_only_with_one(tmp_path: Path, remote: Path) -> None:
    grown = Grown(tmp_path / "data")
    key = grown.signer.key.text()
    grown.grow(4)
    grown.auditor.seal()
    kept = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    grown.grow(4)
    grown.auditor.seal()
    for anchor in anchors_of(f"folder:{tmp_path / 'kept'}, git:{remote}", tmp_path / "data"):
        anchor.publish(_latest(grown))
    grown.close()
    for path in (tmp_path / "data").rglob("*"):  # an insider puts back everything as it was before
        if path.is_file() and ".git" not in path.parts and "git-1" not in path.parts:
            path.write_bytes(kept.get(path, b""))
    subprocess.run(["git", "clone", "--quiet", "--branch", "sluice-anchors", remote, tmp_path / "seen"], check=True)
    data = str(tmp_path / "data")
    assert main([data, "--key", key]) == 0
    assert main([data, "--key", key, "--anchor", str(tmp_path / "kept")]) == 1
    assert main([data, "--key", key, "--anchor", str(next((tmp_path / "seen").glob("*.jsonl")))]) == 1


def test_git_takes_one_checkpoint_after_the_other_also_from_a_new_machine(tmp_path: Path, remote: Path) -> None:
    grown = Grown(tmp_path / "data")
    for work in ("a", "a", "b"):
        grown.grow(1)
        grown.auditor.seal()
        GitAnchor(str(remote), tmp_path / work).publish(_latest(grown))
    said = subprocess.run(
        ["git", "-C", remote, "log", "--format=%s", "sluice-anchors"], capture_output=True, check=True
    )
    assert said.stdout.decode().split("\n")[:3] == ["3 records", "2 records", "1 records"]
    grown.close()


def test_a_lock_that_a_killed_git_left_is_in_the_way_once(tmp_path: Path, remote: Path) -> None:
    grown = Grown(tmp_path / "data")
    anchor = GitAnchor(str(remote), tmp_path / "work")
    grown.grow(1)
    grown.auditor.seal()
    anchor.publish(_latest(grown))
    (tmp_path / "work" / ".git" / "index.lock").touch()
    with pytest.raises(AnchorError):
        anchor.publish(_latest(grown))
    anchor.publish(_latest(grown))
    grown.close()


def test_a_remote_that_cannot_be_reached_is_said_without_its_password(tmp_path: Path) -> None:
    grown = Grown(tmp_path / "data")
    grown.grow(1)
    grown.auditor.seal()
    anchor = GitAnchor("file://me:secret@/nowhere/at/all", tmp_path / "work")
    with pytest.raises(AnchorError) as raised:
        anchor.publish(_latest(grown))
    assert "secret" not in str(raised.value) + anchor.name
    grown.close()


def test_a_place_that_fails_stops_no_other(tmp_path: Path) -> None:
    grown = Grown(tmp_path / "data")
    grown.grow(1)
    grown.auditor.seal()
    (tmp_path / "file").write_text("in the way")
    bad, good = FolderAnchor(tmp_path / "file"), FolderAnchor(tmp_path / "good")
    anchorage = Anchorage([bad, good], grown.clock)
    anchorage.offer(grown.auditor.latest)
    anchorage.close()
    assert anchorage.state[good.name].size == 1
    assert anchorage.state[bad.name].size == 0
    assert anchorage.state[bad.name].problem
    grown.close()


@pytest.mark.parametrize("text", ["tape:/x", "folder:", "/mnt"])
def test_a_place_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="write folder:PATH, git:REMOTE, s3:URL or otlp:URL"):
        anchors_of(text, tmp_path)


def test_one_record_is_proved_to_somebody_who_has_only_the_proof_and_the_key(tmp_path: Path) -> None:
    grown = Grown(tmp_path / "data")
    grown.grow(300)
    grown.auditor.seal()
    grown.grow(1)
    proof = prove(tmp_path / "data", "call_150.e", grown.signer)
    with pytest.raises(NotProvableError, match="not signed yet"):
        prove(tmp_path / "data", "call_301.e", grown.signer)
    with pytest.raises(NotProvableError, match="no such record"):
        prove(tmp_path / "data", "call_999.e", grown.signer)
    grown.close()
    (tmp_path / "verify.pyz").write_bytes(verifier())
    assert verifier() == verifier()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(_json(proof.to_json()))
    bad.write_text(_json(proof.to_json() | {"leaf": proof.leaf.replace("call_150", "call_151")}))
    assert [_run(tmp_path, "--proof", str(path), "--key", proof.key) for path in (good, bad)] == [0, 1]
    assert _run(tmp_path, str(tmp_path / "data"), "--key", proof.key) == 0
    assert _run(tmp_path, str(tmp_path / "nothing"), "--key", proof.key) == 2
    assert _run(tmp_path, str(tmp_path / "data"), "--key", "no key") == 2


def _run(folder: Path, *arguments: str) -> int:
    """Run the packed verifier where nothing of ours can be imported."""
    return subprocess.run(
        [sys.executable, "-I", str(folder / "verify.pyz"), *arguments], cwd=folder, check=False
    ).returncode


def _latest(grown: Grown) -> Checkpoint:
    assert grown.auditor.latest is not None
    return grown.auditor.latest


def _json(value: object) -> str:
    return json.dumps(value)
