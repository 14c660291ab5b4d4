"""A snapshot knows the commit it came from, with the real git."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.policy_tools.revisions import RevisionError, diff_revisions
from policy.git import GitState, git_state
from policy.load import load_tree
from tests.unit.policy.trees import write

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    write(tmp_path / "policies", a="")
    (tmp_path / "other.txt").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout_names_its_commit(repository: Path) -> None:
    snapshot = load_tree(repository / "policies")
    assert (snapshot.git_commit, snapshot.dirty) == (git(repository, "rev-parse", "HEAD"), False)


def test_a_change_in_the_folder_is_dirty_and_one_beside_it_is_not(repository: Path) -> None:
    (repository / "other.txt").write_text("2")
    assert not git_state(repository / "policies").dirty
    write(repository / "policies", b="applies_to: {team: x}\n")
    assert load_tree(repository / "policies").dirty


def test_the_commit_is_no_part_of_the_content(repository: Path) -> None:
    before = load_tree(repository / "policies")
    (repository / "other.txt").write_text("2")
    git(repository, "commit", "-qam", "second")
    after = load_tree(repository / "policies")
    assert after.sha256 == before.sha256
    assert after.git_commit != before.git_commit


def test_no_repository_and_no_folder_are_no_errors(tmp_path: Path) -> None:
    assert git_state(tmp_path / "none") == GitState()
    folder = write(tmp_path / "policies", a="")
    assert load_tree(folder).git_commit is None


def test_two_revisions_are_compared_in_words(repository: Path) -> None:
    folder = repository / "policies"
    write(folder, a="retention: {content: 3d}\n")
    git(repository, "commit", "-qam", "second")
    write(folder, a="retention: {content: 1d}\n")
    assert [str(change) for change in diff_revisions(folder, "HEAD~1", "HEAD")] == [
        "a: retention.content: 30d -> 3d (stricter)"
    ]
    assert [str(change) for change in diff_revisions(folder, "HEAD")] == ["a: retention.content: 3d -> 1d (stricter)"]


@pytest.mark.parametrize("revision", ["no-such", "--output=x", "HEAD:policies", ""])
def test_an_unknown_revision_is_said(repository: Path, revision: str) -> None:
    with pytest.raises(RevisionError, match="does not have this revision"):
        diff_revisions(repository / "policies", revision)
    assert not (repository / "policies" / "x").exists()
