"""What a doctor looks at, gathered once: the machine, the control database and what the parts say of themselves."""

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select, text

from gateway.control import schema, snapshots
from gateway.control.database import Database, position
from gateway.control.errors import ControlError
from gateway.control.tree import TreeInForce
from gateway.keeper.tenure import LEASE
from gateway.machine.status import read_workers
from gateway.settings import Settings
from policy.snapshot import Snapshot

_MOST_FILES: Final = 100_000
_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Control:
    """What the control database says. `clock_us` is the server's own clock; None for SQLite, which has none."""

    keys: Sequence[Mapping[str, Any]] = ()
    admins: frozenset[str] = frozenset()
    tree: Snapshot | None = None
    version: int = 0
    generation: int = 0
    keeper: bool = True
    waiting: int = 0
    problems: int = 0
    clock_us: int | None = None
    encrypted: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the checks look at; `control` is None when the database cannot be read, `recorder` when it is away."""

    settings: Settings
    now_us: int
    control: Control | None
    workers: Sequence[Mapping[str, Any]] = ()
    recorder: Mapping[str, Any] | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    uid: int = 1
    free_share: float = 1.0
    open_files: Sequence[str] = ()


def gather(
    settings: Settings,
    database: Database,
    recorder: Mapping[str, Any] | None,
    environ: Mapping[str, str],
    tenant: str | None = None,
) -> Case:
    """Look at everything once; takes a moment on a large data folder. Keys and people: of one tenant, or of all."""
    try:
        control: Control | None = read_control(database, tenant)
    except ControlError:
        control = None
    disk = os.statvfs(settings.data)
    workers = read_workers(settings.data, time.time())
    share = disk.f_bavail / max(disk.f_blocks, 1)
    opened = list(_open_to_others(settings.data))
    return Case(settings, database.clock_us(), control, workers, recorder, environ, os.geteuid(), share, opened)


def read_control(database: Database, tenant: str | None = None) -> Control:
    """Read what the checks need.

    Raises:
        ControlError: the database cannot be reached or read.
    """
    now_us, postgres = database.clock_us(), database.engine.dialect.name == "postgresql"
    with database.read() as conn:
        active = snapshots.active(conn)
        return Control(
            keys=_keys(conn, tenant),
            admins=_admins(conn, tenant),
            tree=TreeInForce().read(conn),
            version=position(conn).version,
            generation=active.generation if active else 0,
            keeper=_keeper_until_us(conn) > now_us,
            waiting=_waiting(conn, now_us),
            problems=len(snapshots.problems(conn)),
            clock_us=conn.execute(_CLOCK).scalar() if postgres else None,
            encrypted=bool(conn.execute(_TLS).scalar()) if postgres else True,
        )


def _keys(conn: Connection, tenant: str | None) -> list[dict[str, Any]]:
    table = schema.api_keys
    mine = select(table).where(table.c.revoked_us.is_(None), table.c.tenant == (tenant or table.c.tenant))
    return [dict(row) for row in conn.execute(mine).mappings()]


def _admins(conn: Connection, tenant: str | None) -> frozenset[str]:
    users, roles = schema.users, schema.roles
    enabled = select(users.c.email).join(roles, roles.c.holder == users.c.user_id).where(users.c.disabled_us.is_(None))
    mine = enabled.where(roles.c.role == "admin", users.c.tenant == (tenant or users.c.tenant))
    return frozenset(conn.execute(mine).scalars())


def _keeper_until_us(conn: Connection) -> int:
    leases = schema.leases
    return conn.execute(select(leases.c.expires_us).where(leases.c.name == LEASE)).scalar() or 0


def _waiting(conn: Connection, now_us: int) -> int:
    """Count the events that wait to be journalled, if the oldest has waited for more than a minute."""
    table = schema.outbox
    late = select(func.count(), func.min(table.c.ts_us)).where(table.c.relayed_us.is_(None))
    count, oldest_us = conn.execute(late).one()
    return int(count) if count and now_us - oldest_us > _MINUTE_US else 0


def _open_to_others(data: Path) -> Iterator[str]:
    """Yield what others than the owner can get at: nothing, as long as the data folder itself is closed."""
    if not _is_open(data):
        return
    yield "."
    for number, (folder, names, files) in enumerate(os.walk(data)):
        if number > _MOST_FILES:
            return
        opened = [name for name in (*names, *files) if _is_open(Path(folder) / name)]
        yield from (str((Path(folder) / name).relative_to(data)) for name in opened)
        names[:] = [name for name in names if name in opened]  # what lies in a closed folder is closed


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # it was a file for a moment only
        return False
    return bool(mode & 0o077) and not stat.S_ISLNK(mode)


_CLOCK: Final = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
# On the same machine nobody listens in between.
_TLS: Final = text(
    "SELECT ssl OR client_addr IS NULL OR client_addr <<= '127.0.0.0/8' OR client_addr = '::1' "
    "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid()"
)
