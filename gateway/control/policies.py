"""The policy tree in force, as a worker sees it: loaded when it changes, whole or not at all."""

import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.control import snapshots
from gateway.control.snapshots import Activation
from policy.snapshot import Snapshot

_log = logging.getLogger("gateway.policies")


class SnapshotWatch:
    """Holds the snapshot in force; follows the database through a `ChangeWatch`. A call pins `current` once."""

    def __init__(self) -> None:
        self._current: Snapshot | None = None
        self._activation: Activation | None = None
        self._refused: Activation | None = None
        self._problems: tuple[dict[str, Any], ...] = ()

    @property
    def current(self) -> Snapshot | None:
        """The snapshot in force; None before the first one."""
        return self._current

    @property
    def activation(self) -> Activation | None:
        """How the current snapshot came in force."""
        return self._activation

    @property
    def problems(self) -> Sequence[dict[str, Any]]:
        """What is wrong with the policy folder now: `file`, `line`, `column`, `path`, `message` each."""
        return self._problems

    @property
    def refused(self) -> Activation | None:
        """The activation this version cannot read; the one before it stays in use here."""
        return self._refused

    def reload(self, conn: Connection, version: int) -> None:
        """Load what is in force if it is news."""
        self._problems = tuple(snapshots.problems(conn))
        active = snapshots.active(conn)
        if active is not None and active not in (self._activation, self._refused):
            self._load(active, snapshots.content(conn, active.sha256) or b"")

    def _load(self, active: Activation, content: bytes) -> None:
        source = active.source
        try:
            snapshot = Snapshot.from_bytes(content, git_commit=source.git_commit, dirty=source.dirty)
        except (ValueError, KeyError, TypeError) as error:
            # Only its type: the text may quote a policy.
            _log.error("snapshot %s cannot be read by this version: %s", active.sha256[:12], type(error).__name__)
            self._refused = active
            return
        self._current, self._activation, self._refused = snapshot, active, None
