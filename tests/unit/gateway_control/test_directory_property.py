"""Whatever happens to the database, a key that a worker saw revoked is never accepted again."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control.database import Database, open_database
from gateway.control.directory import Directory
from gateway.control.errors import NotFound
from gateway.control.identity.keys import KeySpec, create_key, revoke_key
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.control.watch import ChangeWatch

ADMIN = local_operator("acme")
STEPS = st.lists(
    st.one_of(
        st.just(("create", 0)),
        st.tuples(st.just("revoke"), st.integers(0, 5)),
        st.just(("look", 0)),
        st.just(("save", 0)),
        st.just(("put back", 0)),
    ),
    max_size=15,
)


class World:
    """A database that can be put back to an earlier copy, one worker that lives through it, and what must hold."""

    def __init__(self, folder: Path) -> None:
        self.file, self.copy = folder / "control.db", folder / "copy.db"
        self.database: Database = open_database(f"sqlite:///{self.file}")
        upgrade(self.database)
        ensure_tenant(self.database, "acme")
        self.directory = Directory()
        self.watch = ChangeWatch(self.database, [self.directory])
        self.keys: list[tuple[str, str]] = []
        self.usable: set[str] = set()
        self.saved: set[str] | None = None
        self.seen_revoked: set[str] = set()

    def act(self, step: str, n: int) -> None:
        if step == "create":
            raw, info = create_key(self.database, "acme", KeySpec(), ADMIN)
            self.keys.append((raw, info.key_id))
            self.usable.add(raw)
        elif step == "revoke" and self.keys:
            self.revoke(*self.keys[n % len(self.keys)])
        elif step == "save":
            self.database.close()
            shutil.copy(self.file, self.copy)
            self.saved = set(self.usable)
        elif step == "put back" and self.saved is not None:
            self.database.close()
            shutil.copy(self.copy, self.file)
            self.usable = set(self.saved)
        else:
            self.look()

    def revoke(self, raw: str, key_id: str) -> None:
        try:
            revoke_key(self.database, "acme", key_id, ADMIN)
        except NotFound:
            return  # made after the copy that was put back
        self.usable.discard(raw)

    def look(self) -> None:
        assert self.watch.check()
        known = {raw for raw, _ in self.keys if self.directory.lookup(raw.encode())}
        assert known == self.usable - self.seen_revoked
        # What is neither usable nor lost with a copy was seen revoked just now.
        fresh = Directory()
        ChangeWatch(self.database, [fresh]).check()
        assert known <= {raw for raw, _ in self.keys if fresh.lookup(raw.encode())}
        self.seen_revoked |= self.revoked_now()

    def revoked_now(self) -> set[str]:
        with self.database.read() as conn:
            rows = conn.exec_driver_sql("SELECT key_id FROM api_keys WHERE revoked_us IS NOT NULL").all()
        gone = {row[0] for row in rows}
        return {raw for raw, key_id in self.keys if key_id in gone}


@settings(max_examples=40)
@given(STEPS)
def test_a_worker_follows_the_database_but_never_revives_a_key(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for step, n in steps:
            world.act(step, n)
        world.look()
        world.database.close()
