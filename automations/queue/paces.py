"""The pace of an API over all workers: each request takes the next free moment in the queue's database."""

from dataclasses import dataclass

from sqlalchemy import case, select, update

from automations.queue.schema import paces
from automations.queue.store import Store


@dataclass(frozen=True, slots=True)
class SharedPace:
    """Moments are at least a step apart, whoever takes them; one that is not used is lost."""

    store: Store

    def wait_s(self, name: str, per_second: float) -> float:
        """Take the next free moment; return how long it is until then."""
        return max(0, self.moment_us(name, per_second) - self.store.clock_us()) / 1e6

    def moment_us(self, name: str, per_second: float) -> int:
        """Take the next free moment."""
        now_us, step_us = self.store.clock_us(), round(1e6 / per_second)
        free_us = case((paces.c.free_us > now_us, paces.c.free_us), else_=now_us)
        with self.store.database.write() as conn:
            if conn.execute(select(paces.c.name).where(paces.c.name == name)).first() is None:
                conn.execute(self.store.database.insert(paces).values(name=name, free_us=0).on_conflict_do_nothing())
            taking = update(paces).where(paces.c.name == name).values(free_us=free_us + step_us)
            return int(conn.execute(taking.returning(paces.c.free_us)).scalar_one()) - step_us
