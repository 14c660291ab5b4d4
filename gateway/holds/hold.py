"""The verdict `hold`: a review is opened before the caller hears anything; what it hears, the policy says."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from gateway.call import ClearRequest, Judged, Released
from gateway.control.database import Database
from gateway.control.errors import ControlError
from gateway.control.reviews import CONTENT, OPEN, Review, find, open_review, withheld
from gateway.errors import Held, Refused, Rejected, ReviewsDown
from gateway.holds.texts import ReviewTexts, kept_of
from gateway.holds.waiting import Waiting
from gateway.stages.act import instead
from gateway.stages.fallback import fallback
from gateway.stages.reuse import Place
from gateway.wire.endpoint import Json
from policy.blocks_output import Hold

_LOG: Final = logging.getLogger("sluice.gateway")
_HELD: Final = MappingProxyType({"x-sluice-decision": "hold"})
NEEDED: Final = Hold(deadline=timedelta(hours=24), queue="stopped")


@dataclass(frozen=True, slots=True)
class Holds:
    """Opens reviews; `subject_ref` gives the random reference of a subject id, by which everything is erased."""

    texts: ReviewTexts
    waiting: Waiting
    new_id: Callable[[str], str]
    subject_ref: Callable[[str, str], str]
    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def database(self) -> Database:
        return self.texts.database

    async def act(self, judged: Judged, notes: Json, place: Place | None = None) -> Released:
        """Hold an answer, and give what its caller sees now; `place` remembers where it is held.

        Raises:
            Held: the answer waits for a reviewer.
            Rejected: while the caller waited a reviewer refused it, or its deadline passed.
            ReviewsDown: it cannot be held, so it is not shown.
        """
        block = judged.answer.answer.route.request.governed.bound.policy.hold or NEEDED
        spare = _fallback(judged, block, notes)
        review = self.opened(judged, block, "hold")
        with self.waiting.waiter(review.review_id) as decided:
            await self.open(review, judged, spare)
            if place is not None:
                await place.held(review.review_id)
            notes["review"] = {"id": review.review_id, "queue": review.queue, "reply": block.reply}
            if _is_polled(judged, block):
                notes["review"]["reply"] = "background"
                return _in_progress(judged, review)
            if block.reply == "fallback" and spare is not None:
                return instead(judged, spare)
            if block.wait is not None:
                return await self._waited(judged, review, decided, block.wait.total_seconds())
        raise held(review.review_id)

    async def again(self, request: ClearRequest, review_id: str, notes: Json) -> Json:
        """Give what was decided about an answer that was held when its request was sent before, clean.

        Raises:
            Held: nobody has decided yet.
            Rejected: it is withheld.
        """
        tenant = request.governed.call.holder.facts.tenant
        found, clean = await asyncio.to_thread(self._result, tenant, review_id)
        notes["review"] = {"id": review_id, "queue": found.queue, "reply": "error"}
        if found.state == OPEN:
            raise held(review_id)
        return _released(found, clean)

    def audit(self, judged: Judged) -> None:
        """Send an output to the reviewers without delaying its reply; what cannot be sent counts as unanswered."""
        policy = judged.answer.answer.route.request.governed.bound.policy
        asked = policy.confidence.certified if policy.confidence else None
        if asked is None:
            return
        hold = policy.hold or NEEDED.model_copy(update={"queue": "audits"})
        judgement = replace(judged.judgement, deadline=asked.audit_deadline)
        judged = judged._replace(judgement=judgement)
        task = asyncio.create_task(self._audit(self.opened(judged, hold, "audit"), judged))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _audit(self, review: Review, judged: Judged) -> None:
        try:
            await self.open(review, judged, None)
        except ReviewsDown:
            _LOG.warning("the audit of call %s could not be queued; it will count as unanswered", review.call_id)

    async def close(self) -> None:
        """Finish what is under way."""
        await asyncio.gather(*self.under_way, return_exceptions=True)

    async def open(self, review: Review, judged: Judged, spare: Json | None) -> None:
        """Make a review durable.

        Raises:
            ReviewsDown: the store does not answer.
        """
        content = self.texts.seal(review, CONTENT, kept_of(judged, spare))
        try:
            await asyncio.to_thread(open_review, self.database, review, content)
        except ControlError as error:
            raise ReviewsDown("The answer has to be held for review, and reviews cannot be stored now.") from error

    def opened(self, judged: Judged, block: Hold, kind: Literal["hold", "audit"]) -> Review:
        """Give the review of a judged answer."""
        request = judged.answer.answer.route.request
        governed, judgement = request.governed, judged.judgement
        call, bound = governed.call, governed.bound
        facts, score, subject = call.holder.facts, judged.scored.value, call.labels.subject
        deadline = judgement.deadline or block.deadline
        return Review(
            review_id=self.new_id("rev"),
            tenant=facts.tenant,
            kind=kind,
            queue=judgement.queue or block.queue or "default",
            automation=facts.automation,
            call_id=call.id,
            run=governed.tags.run,
            step=governed.tags.step,
            key_id=call.holder.key_id,
            endpoint=call.endpoint.name,
            policy=f"{bound.name}@{bound.hash12}",
            rule=judgement.rule,
            score=score,
            risk=1.0 if score is None else 1.0 - score,
            self_approval=block.self_approval,
            at_deadline=block.at_deadline if kind == "hold" else "none",
            deadline_us=self.database.clock_us() + int(deadline.total_seconds() * 1_000_000),
            keep_days=bound.policy.retention.review.days,
            url_env=block.webhook.url_env if block.webhook else None,
            secret_env=block.webhook.secret_env if block.webhook else None,
            subject_ref=None if subject is None else self.subject_ref(facts.tenant, subject),
        )

    async def _waited(self, judged: Judged, review: Review, decided: asyncio.Event, seconds: float) -> Released:
        try:
            await asyncio.wait_for(decided.wait(), seconds)
        except TimeoutError:
            raise held(review.review_id) from None
        found, clean = await asyncio.to_thread(self._result, review.tenant, review.review_id)
        if found.output == "answer":
            return Released(judged, judged.answer.restored)
        return instead(judged, _released(found, clean))

    def _result(self, tenant: str, review_id: str) -> tuple[Review, Json | None]:
        with self.database.read() as conn:
            found = find(conn, tenant, review_id)
        return found, None if found.state == OPEN else self.texts.output(found)


def held(review_id: str) -> Held:
    """Give the error that names the review; trying again would only ask the model again."""
    return Held(
        f"This answer is held for review ({review_id}). Ask for it at /v1/holds/{review_id}.",
        headers=_HELD,
    )


def _released(found: Review, clean: Json | None) -> Json:
    """Give what a decided review releases.

    Raises:
        Rejected: nothing.
    """
    if clean is None:
        code, sentence = withheld(found)
        raise Rejected(sentence, code=code, headers=_HELD)
    return clean


def _fallback(judged: Judged, block: Hold, notes: Json) -> Json | None:
    """Render what may stand in the answer's place, now or at the deadline; None where it cannot be."""
    if block.template is None or "fallback" not in (block.reply, block.at_deadline):
        return None
    try:
        return fallback(judged.answer, block.template, notes)
    except Refused:
        return None


def _is_polled(judged: Judged, block: Hold) -> bool:
    call = judged.answer.answer.route.request.governed.call
    turn = call.endpoint.turn
    return turn is not None and turn.polled(block.reply == "background")


def _in_progress(judged: Judged, review: Review) -> Released:
    """Show a response that is still under way; its stream has only begun, and goes on where it is asked for."""
    clean = judged.answer.clean | {"status": "in_progress", "output": [], "usage": None, "background": True}
    return instead(judged, clean)._replace(review=review.review_id)
