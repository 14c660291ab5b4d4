"""Reviewers of the demo: they look into the queue during the day and judge what the samples say is right."""

import random
from dataclasses import dataclass, field
from typing import Any, Final

from demo.weeks.stage import Stage
from gateway.control.errors import Conflict
from gateway.control.identity.roles import Identity
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.reviews import Filter, Review, expire, listed
from gateway.holds.reviewing import Remarks
from gateway.wire import said

REVIEWER: Final = Identity("usr_demo_reviewer", DEFAULT_TENANT, frozenset({"reviewer"}))
_ATTENTION: Final = 0.9  # of what waits is decided at each look


@dataclass
class People:
    """`right` knows for each call the answer that would be right, or None where none is."""

    stage: Stage
    luck: random.Random
    right: dict[str, str | None] = field(default_factory=dict)
    decided: int = 0

    async def look(self) -> int:
        """Decide most of what waits; return how much that was before."""
        expire(self.stage.parts.database, 10_000)
        waiting = listed(self.stage.parts.database, DEFAULT_TENANT, Filter(limit=500))
        for review in waiting:
            if self.luck.random() < _ATTENTION:
                await self._decide(review)
        return len(waiting)

    async def _decide(self, review: Review) -> None:
        kept = self.stage.desk.texts.kept(review)
        text = "\n".join(said.texts(kept.answer)).strip() if kept else ""
        right = self.right.pop(review.call_id, None)
        verdict: Any = "approved" if text == right else "edited" if right else "rejected"
        remarks = Remarks(reason="correct") if verdict == "approved" else Remarks("wrong_facts", None, right)
        try:
            await self.stage.desk.decide(REVIEWER, review.review_id, verdict, remarks)
        except Conflict:  # its deadline passed while others were decided
            return
        self.decided += 1
