"""Responses that are held: as they are polled, they show what became of their review."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.control.reviews import OPEN, find, withheld
from gateway.holds.texts import ReviewTexts
from gateway.responses.store import Batch, ResponseStore, Stored


@dataclass(frozen=True, slots=True)
class ReviewedStore:
    """A store of responses in front of which reviews stand."""

    store: ResponseStore
    texts: ReviewTexts

    async def put(self, tenant: str, subject: str | None, stored: Stored, days: int) -> None:
        """Keep a response."""
        await self.store.put(tenant, subject, stored, days)

    async def get(self, tenant: str, response_id: str) -> Stored | None:
        """Return a response; one that was held, with what its reviewer released."""
        stored = await self.store.get(tenant, response_id)
        if stored is None or stored.review is None:
            return stored
        return await asyncio.to_thread(self._decided, tenant, stored, stored.review)

    async def events(self, tenant: str, response_id: str, after: int) -> Sequence[Batch]:
        """Return what was said of a streamed response; of one that is held nothing was."""
        return await self.store.events(tenant, response_id, after)

    async def remove(self, tenant: str, response_id: str) -> bool:
        """Forget a response; its review stays."""
        return await self.store.remove(tenant, response_id)

    def _decided(self, tenant: str, stored: Stored, review_id: str) -> Stored:
        with self.texts.database.read() as conn:
            review = find(conn, tenant, review_id)
        if review.state == OPEN:
            return stored
        output = self.texts.output(review)
        if output is None:
            code, sentence = withheld(review)
            error = {"code": code, "message": sentence}
            output = stored.answer | {"status": "failed", "error": error, "output": []}
        return replace(stored, answer=output | {"id": stored.response_id, "background": True}, review=None)
