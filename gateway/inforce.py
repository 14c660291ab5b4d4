"""The policy snapshot that this worker governs with; it follows the control database."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.control import snapshots
from gateway.errors import GatewayError
from policy.snapshot import Snapshot

_LOG: Final = logging.getLogger("sluice.gateway")


class NotReady(GatewayError):
    """No policy was activated yet."""

    status, code, retryable = 503, "not_ready", True
    layer = "policy"


class InForce:
    """Swapped as one assignment: a call keeps the snapshot it was bound to, the next call gets the new one.

    `prepare` runs first, in the thread that follows the database, so that no call waits for what can be made before.
    """

    def __init__(self, prepare: Callable[[Snapshot], None]) -> None:
        self._prepare = prepare
        self._snapshot: Snapshot | None = None
        self.generation = 0
        self.problems: Sequence[Mapping[str, Any]] = ()

    @property
    def sha256(self) -> str | None:
        return self._snapshot.sha256 if self._snapshot else None

    def current(self) -> Snapshot:
        """Return the snapshot for a new call.

        Raises:
            NotReady: there is none yet.
        """
        if self._snapshot is None:
            raise NotReady("The gateway has no policies in force yet; try again in a moment.")
        return self._snapshot

    def reload(self, conn: Connection, _version: int) -> None:
        """Follow what the control database says is in force."""
        self.problems = snapshots.problems(conn)
        active = snapshots.active(conn)
        if active is None:
            return
        if active.generation == self.generation and self._snapshot is not None:
            self._prepare(self._snapshot)  # for keys that are new
            return
        content = snapshots.content(conn, active.sha256)
        if content is None:
            _LOG.error("snapshot %s is in force but not stored", active.sha256)
            return
        source = active.source
        snapshot = Snapshot.from_bytes(content, git_commit=source.git_commit, dirty=source.dirty)
        self._prepare(snapshot)
        self._snapshot = snapshot
        self.generation = active.generation
        _LOG.info("policy snapshot %s in force", active.sha256[:12])
