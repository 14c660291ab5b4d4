"""From the policy folder to the snapshot in force: one tree at a time, and never a half-written one."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gateway.control import leases, snapshots
from gateway.control.database import Database
from gateway.control.leases import Lease
from gateway.control.snapshots import Activation, Source
from gateway.keeper.folder import PolicyFolder
from gateway.policy_tools.check import load_checked
from policy.problems import PolicyErrors, Problem
from policy.snapshot import Snapshot

ACTOR: Final = "keeper"
# A git that crashed leaves its lock behind; after so many looks it no longer stops us.
_GIT_PATIENCE: Final = 100
_log = logging.getLogger("gateway.keeper")

Loader = Callable[[Path], Snapshot]


class Activator:
    """Looks at the folder again and again; acts when it changed and two reads agree."""

    def __init__(self, database: Database, folder: Path, load: Loader = load_checked) -> None:
        self._database = database
        self._folder = PolicyFolder(folder)
        self._load = load
        self._seen: bytes | None = None
        self._done: bytes | None = None
        self._waited_for_git = 0

    def look(self, lease: Lease) -> bool:
        """Look once; tell whether a tree was judged, good or bad. Blocks while the tree is compiled.

        Raises:
            ControlUnavailable, Conflict: nothing was changed; the next look tries again.
        """
        digest = self._folder.digest()
        if digest == self._done or not self._at_rest(digest):
            return False
        return self._judge(digest, lease)

    def _at_rest(self, digest: bytes) -> bool:
        """Two looks apart in time must agree; at the start there is no earlier look, and nothing to protect."""
        agreed = digest == self._seen or self._seen is None
        self._seen = digest
        if not self._folder.git_at_work:
            self._waited_for_git = 0
            return agreed
        self._waited_for_git += 1
        return agreed and self._waited_for_git > _GIT_PATIENCE

    def _judge(self, digest: bytes, lease: Lease) -> bool:
        snapshot, problems = self._read()
        if self._folder.digest() != digest:  # it moved while it was loaded
            return False
        if snapshot is not None:
            activate(self._database, snapshot, ACTOR, lease)
        if snapshots.report_problems(self._database, problems, ACTOR) and problems:
            _log.warning("policies not activated; problems: %d, first %s", len(problems), Problem(**problems[0]))
        self._done = digest
        return True

    def _read(self) -> tuple[Snapshot | None, list[dict[str, Any]]]:
        try:
            return self._load(self._folder.path), []
        except PolicyErrors as error:
            return None, [asdict(problem) for problem in error.problems]
        except Exception as error:  # noqa: BLE001 - whatever a file makes the loader do, the old tree stays and it is said
            place = traceback.extract_tb(error.__traceback__)[-1]  # not the error's text: it may quote the file
            _log.error("the policy loader failed: %s at %s:%s", type(error).__name__, place.filename, place.lineno)
            sentence = f"the loader failed on this folder ({type(error).__name__}); the log of the keeper says where"
            return None, [asdict(Problem(self._folder.path.name, 1, 1, "", sentence))]


def activate(database: Database, snapshot: Snapshot, actor: str, lease: Lease | None = None) -> bool:
    """Bring a tree in force unless it is already; tell whether it was news.

    Raises:
        Conflict: somebody else activated in between, or the lease is lost.
    """
    source = Source(snapshot.git_commit, snapshot.dirty, actor)
    with database.write() as tx:
        if lease is not None:
            leases.assert_held(tx, lease)
        present = snapshots.active(tx.conn)
        if present is not None and _same(present, snapshot):
            return False
        if snapshots.rolled_back_from(tx.conn) == snapshot.sha256:  # only another tree ends a rollback
            return False
        made = snapshots.activate(tx, snapshot.to_bytes(), source, present.generation if present else 0)
    _log.info("policies activated: generation %d, snapshot %s", made.generation, made.sha256[:12])
    return True


def _same(present: Activation, snapshot: Snapshot) -> bool:
    """Later commits that leave the tree alone are no news; that an uncommitted tree was committed is."""
    committed = snapshot.git_commit is not None and not snapshot.dirty
    traced = present.source.git_commit is not None and not present.source.dirty
    return present.sha256 == snapshot.sha256 and (traced or not committed)
