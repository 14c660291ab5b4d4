"""Requests that wait for a reviewer: told when the `changes` counter moves, in whichever worker the decision fell."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.control.reviews import decided


class _Waiter(NamedTuple):
    loop: asyncio.AbstractEventLoop
    told: asyncio.Event


class Waiting:
    """Follows the database through a `ChangeWatch`; asks it only while somebody waits."""

    def __init__(self) -> None:
        self._waiters: dict[str, _Waiter] = {}

    @contextmanager
    def waiter(self, review_id: str) -> Iterator[asyncio.Event]:
        """Give the event that is set once a review is decided. Begin before the review is opened."""
        waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event())
        self._waiters[review_id] = waiter
        try:
            yield waiter.told
        finally:
            del self._waiters[review_id]

    def reload(self, conn: Connection, _since: int) -> None:
        """Wake those whose review is decided."""
        waiters = dict(self._waiters)
        for review_id in decided(conn, frozenset(waiters)) if waiters else ():
            waiters[review_id].loop.call_soon_threadsafe(waiters[review_id].told.set)
