"""The policy folder comes in force whole, or the last good tree stays."""

import os
import subprocess
from pathlib import Path

import pytest

from gateway.control import outbox, snapshots
from gateway.control.database import Database
from gateway.control.directory import Directory
from gateway.control.errors import Conflict
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import local_operator
from gateway.control.leases import Lease, acquire, release
from gateway.control.watch import ChangeWatch
from gateway.inforce import InForce
from gateway.keeper.activator import Activator, activate
from policy.load import load_tree
from policy.snapshot import Snapshot
from tests.contract.control.clock import Clock

OLD = "policy: default\nschema: 1\nowner: old@example.com\n"
NEW = "policy: default\nschema: 1\nowner: new@example.com\n"
TOOLS = "tools: {default: allow, rules: ["
LADDER = (
    "confidence: {scorers: [{kind: logprob}], bands: [{at_least: 0.5, verdict: pass}, "
    "{at_least: 0, verdict: fallback, template: sorry}], unscored: block}\n"
)
ROUTE = "routing: {rules: [{when: 'CEL', candidates: [{model: a}]}]}\n"
BROKEN = "policy: default\nschema: 1\nownr: old@example.com\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    (made / "default.yaml").write_text(OLD)
    return made


@pytest.fixture
def activator(database: Database, folder: Path, lease: Lease) -> Activator:
    made = Activator(database, folder)
    assert made.look(lease)
    return made


def owners(database: Database) -> list[str]:
    """Who owned the default policy, over all activations, oldest first."""
    with database.read() as conn:
        contents = [snapshots.content(conn, entry.sha256) for entry in snapshots.history(conn)]
    return [Snapshot.from_bytes(content or b"").policies["default"].owner for content in reversed(contents)]


def test_the_first_tree_is_active_at_once_and_only_once(database: Database, activator: Activator, lease: Lease) -> None:
    assert not activator.look(lease)
    assert not activator.look(lease)
    assert owners(database) == ["old@example.com"]


def test_a_change_is_active_when_two_reads_agree(
    database: Database, activator: Activator, folder: Path, lease: Lease
) -> None:
    (folder / "default.yaml").write_text(NEW)
    assert not activator.look(lease)
    assert activator.look(lease)
    assert owners(database) == ["old@example.com", "new@example.com"]


def test_a_file_written_byte_by_byte_never_comes_in_force_half(
    database: Database, activator: Activator, folder: Path, lease: Lease
) -> None:
    for end in range(len(NEW)):
        (folder / "default.yaml").write_text(NEW[:end])
        activator.look(lease)
    (folder / "default.yaml").write_text(NEW)
    activator.look(lease)
    activator.look(lease)
    assert owners(database) == ["old@example.com", "new@example.com"]


def test_a_broken_tree_keeps_the_old_one_and_says_what_is_wrong_until_it_is_fixed(
    database: Database, activator: Activator, folder: Path, lease: Lease
) -> None:
    watched = InForce(lambda _snapshot: None)
    watch = ChangeWatch(database, [watched])
    (folder / "default.yaml").write_text(BROKEN)
    activator.look(lease)
    assert activator.look(lease)
    watch.check()
    assert watched.current().policies["default"].owner == "old@example.com"
    assert {(problem["file"], problem["line"]) for problem in watched.problems} >= {("default.yaml", 3)}
    (folder / "default.yaml").write_text(NEW)
    activator.look(lease)
    activator.look(lease)
    watch.check()
    assert watched.problems == []
    assert watched.current().policies["default"].owner == "new@example.com"


@pytest.mark.parametrize("wreck", ["remove", "directory", "link", "binary"])
def test_a_wrecked_folder_is_a_problem_and_not_a_crash(
    database: Database, activator: Activator, folder: Path, lease: Lease, wreck: str
) -> None:
    file = folder / "default.yaml"
    file.unlink()
    if wreck == "remove":
        folder.rmdir()
    elif wreck == "directory":
        file.mkdir()
    elif wreck == "link":
        file.symlink_to("/dev/zero")
    else:
        file.write_bytes(bytes(range(256)) * 10)
    activator.look(lease)
    assert activator.look(lease)
    with database.read() as conn:
        assert snapshots.problems(conn)
    assert owners(database) == ["old@example.com"]


HEAD = "policy: default\nschema: 1\nowner: new@example.com\n"
BAD: dict[str, tuple[str, int]] = {  # what somebody writes, and the line that is named
    "half written": (HEAD + "redaction: {names: bal", 4),
    "80 KB of brackets": (HEAD + "a: " + "[" * 80_000, 4),
    "bomb": (HEAD + "a: &a [x, x]\nb: [*a, *a]\n", 4),
    "anchor": (HEAD + "redaction: &r {names: strict}\n", 4),
    "no for a flag": (HEAD + "hold: {deadline: 1h, self_approval: no}\n", 4),
    "off unquoted is text": (HEAD + "retention: {content: off}\n", 4),
    "tab": (HEAD + "redaction:\n\tnames: strict\n", 5),
    "include": (HEAD + "redaction: !include ../../etc/passwd\n", 4),
    "duplicate key": (HEAD + "owner: other@example.com\n", 4),
    "unknown key": (HEAD + "redactoin: {}\n", 4),
    "contradictory rules": (HEAD + TOOLS + "{tool: a, action: allow}, {tool: a, action: deny, at: offered}]}\n", 4),
    "denial that a live answer cannot keep": (HEAD + TOOLS + "{tool: a, action: deny, at: called}]}\n", 4),
    "hold without a block": (HEAD + "delivery: buffered\n" + TOOLS + "{tool: a, action: hold, at: called}]}\n", 5),
    "missing prompt": (HEAD + "prompts: {allow: [nowhere@2]}\n", 4),
    "missing template": (HEAD + "delivery: buffered\n" + LADDER.replace("sorry", "nowhere"), 5),
    "wrong type of a condition": (HEAD + ROUTE.replace("CEL", "request.model + 1"), 4),
    "condition that is too costly": (HEAD + ROUTE.replace("CEL", "(" * 40 + "true" + ")" * 40), 4),
    "loop in a loop": (HEAD + ROUTE.replace("CEL", "[1].all(x, [2].all(y, x < y))"), 4),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_its_line_and_the_old_policy_stays(
    database: Database, activator: Activator, folder: Path, lease: Lease, case: str
) -> None:
    text, line = BAD[case]
    (folder / "default.yaml").write_text(text)
    activator.look(lease)
    assert activator.look(lease)
    with database.read() as conn:
        found = snapshots.problems(conn)
    assert {(each["file"], each["line"]) for each in found} == {("default.yaml", line)}
    assert all(each["column"] and each["message"] for each in found)
    assert owners(database) == ["old@example.com"]


def test_the_first_tree_being_broken_leaves_nothing_in_force(database: Database, folder: Path, lease: Lease) -> None:
    (folder / "default.yaml").write_text(BROKEN)
    assert Activator(database, folder).look(lease)
    assert owners(database) == []
    with database.read() as conn:
        assert snapshots.active(conn) is None


def test_a_tree_that_moves_while_it_is_loaded_is_loaded_again(database: Database, folder: Path, lease: Lease) -> None:
    def slow(path: Path) -> Snapshot:
        loaded = load_tree(path)
        (folder / "default.yaml").write_text(NEW)
        return loaded

    activator = Activator(database, folder, slow)
    assert not activator.look(lease)
    assert owners(database) == []
    activator.look(lease)
    assert activator.look(lease)
    assert owners(database) == ["new@example.com"]


def test_a_loader_that_fails_is_a_problem_and_not_the_end(database: Database, folder: Path, lease: Lease) -> None:
    def failing(_path: Path) -> Snapshot:
        raise RecursionError

    activator = Activator(database, folder, failing)
    assert activator.look(lease)
    assert not activator.look(lease)
    with database.read() as conn:
        (problem,) = snapshots.problems(conn)
    assert "RecursionError" in problem["message"]


def test_a_rewrite_that_changes_neither_size_nor_time_is_seen(
    database: Database, activator: Activator, folder: Path, lease: Lease
) -> None:
    file = folder / "default.yaml"
    before = file.stat()
    with file.open("r+") as opened:
        opened.write(NEW)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    activator.look(lease)
    assert activator.look(lease)
    assert owners(database)[-1] == "new@example.com"


def test_after_a_quiet_time_files_are_not_read_again_until_something_moves(
    database: Database, activator: Activator, folder: Path, lease: Lease
) -> None:
    for _ in range(20):
        assert not activator.look(lease)
    (folder / "default.yaml").write_text(NEW)
    activator.look(lease)
    assert activator.look(lease)


def test_whoever_lost_the_lease_activates_nothing(
    database: Database, activator: Activator, folder: Path, lease: Lease, clock: Clock
) -> None:
    release(database, lease)
    other = acquire(database, "keeper", "another machine", 60)
    assert other is not None
    (folder / "default.yaml").write_text(NEW)
    activator.look(lease)
    with pytest.raises(Conflict):
        activator.look(lease)
    assert owners(database) == ["old@example.com"]
    assert activator.look(other)
    assert owners(database) == ["old@example.com", "new@example.com"]


def test_an_activation_is_one_event_with_its_origin(database: Database, activator: Activator, folder: Path) -> None:
    assert not activate(database, load_tree(folder), "keeper")
    events = [event for _, event in outbox.unrelayed(database)]
    assert [event.kind for event in events] == ["policy.activated"]
    assert events[0].actor == "keeper"
    assert events[0].body == {
        "snapshot": load_tree(folder).sha256,
        "previous": None,
        "generation": 1,
        "git_commit": None,
        "dirty": False,
    }


def test_a_snapshot_this_version_cannot_read_leaves_the_one_before_and_keys_still_follow(
    database: Database, activator: Activator
) -> None:
    in_force, directory = InForce(lambda _snapshot: None), Directory(database.clock_us)
    watch = ChangeWatch(database, [in_force, directory])
    assert watch.check()
    with database.write() as tx:
        snapshots.activate(tx, b'{"format": 99}', snapshots.Source(None, False, "newer"), expected=1)
    raw, _ = create_key(database, "default", KeySpec(), local_operator("default"))
    assert not watch.check()
    assert watch.stale_since is not None
    assert in_force.current().policies["default"].owner == "old@example.com"
    assert directory.lookup(raw.encode()) is not None


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_a_commit_that_changes_no_file_still_tells_where_the_tree_came_from(
    database: Database, folder: Path, lease: Lease
) -> None:
    git(folder, "init", "-q")
    (folder / "other.yaml").unlink(missing_ok=True)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "default.yaml").write_text(NEW)
    activator = Activator(database, folder)
    assert activator.look(lease)
    git(folder, "commit", "-q", "-a", "-m", "second")
    second = git(folder, "rev-parse", "HEAD")
    activator.look(lease)
    assert activator.look(lease)
    git(folder, "commit", "-q", "--allow-empty", "-m", "elsewhere in the repository")
    activator.look(lease)
    assert activator.look(lease)
    with database.read() as conn:
        clean, dirty = snapshots.history(conn)
    assert clean.sha256 == dirty.sha256
    assert (dirty.source.dirty, clean.source.dirty) == (True, False)
    assert clean.source.git_commit == second
    assert dirty.source.git_commit == git(folder, "rev-parse", f"{second}~1")


def test_nothing_is_activated_while_git_is_at_work(database: Database, folder: Path, lease: Lease) -> None:
    git(folder, "init", "-q")
    activator = Activator(database, folder)
    assert activator.look(lease)
    (folder / ".git" / "index.lock").touch()
    (folder / "default.yaml").write_text(NEW)
    for _ in range(5):
        assert not activator.look(lease)
    (folder / ".git" / "index.lock").unlink()
    assert activator.look(lease)
    assert owners(database)[-1] == "new@example.com"
