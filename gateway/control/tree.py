"""The policy tree in force, for those who do not serve calls: the keeper's duties and routes about policies."""

from sqlalchemy import Connection

from gateway.control import snapshots
from policy.snapshot import Snapshot


class TreeInForce:
    """Compiled anew only when another one came in force."""

    def __init__(self) -> None:
        self._tree: Snapshot | None = None

    def read(self, conn: Connection) -> Snapshot | None:
        """Return the tree, None while there is none."""
        active = snapshots.active(conn)
        if active is not None and (self._tree is None or self._tree.sha256 != active.sha256):
            content = snapshots.content(conn, active.sha256)
            self._tree = None if content is None else Snapshot.from_bytes(content)
        return self._tree
