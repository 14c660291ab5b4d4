"""Whose turn it is to poll a source: one worker at a time, and no more often than the source wants."""

from dataclasses import dataclass

from sqlalchemy import or_, select, update

from automations.queue.schema import turns
from automations.queue.store import Store


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one worker; `lease_s` after it was heard of last they are anybody's."""

    store: Store
    owner: str
    lease_s: float

    def keep(self) -> None:
        """Keep the turns that this worker has, as long as it lives."""
        until_us = self.store.clock_us() + int(self.lease_s * 1e6)
        with self.store.database.write() as conn:
            conn.execute(update(turns).where(turns.c.owner == self.owner).values(until_us=until_us))

    def tell(self, name: str, trouble: str | None) -> bool:
        """Keep what hinders a source, None: nothing does; tell whether that is news."""
        differs = turns.c.trouble.is_distinct_from(trouble)
        with self.store.database.read() as conn:
            if conn.execute(select(turns.c.name).where(turns.c.name == name, differs)).first() is None:
                return False
        with self.store.database.write() as conn:
            conn.execute(update(turns).where(turns.c.name == name).values(trouble=trouble))
        return True

    def mine(self, name: str, every_s: float) -> bool:
        """Take the turn if it is due and nobody else has it."""
        now_us = self.store.clock_us()
        with self.store.database.read() as conn:
            row = conn.execute(select(turns).where(turns.c.name == name)).first()
        if row is not None and (row.next_us > now_us or (row.owner != self.owner and row.until_us > now_us)):
            return False
        with self.store.database.write() as conn:
            fresh = {"name": name, "owner": self.owner, "until_us": 0, "next_us": 0}
            conn.execute(self.store.database.insert(turns).values(fresh).on_conflict_do_nothing())
            free = or_(turns.c.owner == self.owner, turns.c.until_us <= now_us)
            taking = update(turns).where(turns.c.name == name, turns.c.next_us <= now_us, free)
            later = {"until_us": now_us + int(self.lease_s * 1e6), "next_us": now_us + int(every_s * 1e6)}
            return conn.execute(taking.values(owner=self.owner, **later)).rowcount == 1


def troubles(store: Store) -> dict[str, str]:
    """Return what hinders sources, by their names."""
    with store.database.read() as conn:
        return {row.name: row.trouble for row in conn.execute(select(turns).where(turns.c.trouble.is_not(None)))}
