"""`/reviews` and `/stops` for people; `GET /v1/holds/{id}`: how a caller gets what was held."""

from typing import Annotated, Any, ClassVar, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.admission import KeyDirectory, Limits, authenticate, refuse_loops
from gateway.control.database import Database
from gateway.control.deliveries import redeliver
from gateway.control.identity.roles import Identity
from gateway.control.reviews import OPEN, Filter, Review, assign, listed
from gateway.control.stops import start, stop, stops_of
from gateway.errors import NotFound
from gateway.holds.reviewing import MAX_TEXT_CHARS, Remarks, ReviewDesk
from gateway.routes.access import Require, SmallBodyRoute
from gateway.wire import said
from gateway.wire.tools import called

_SUMMARY: Final = (
    "kind", "state", "output", "queue", "automation", "call_id", "run", "step", "endpoint", "policy", "rule", "score",
    "risk", "assignee", "decided_by", "reason", "at_deadline",
)  # fmt: skip
_MISSING: Final = "There is no such held answer for this key."
_Reason = Literal["correct", "wrong_facts", "wrong_tone", "incomplete", "policy_breach", "personal_data", "other"]
_Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]


class _TextRoute(SmallBodyRoute):
    """Has room for an edit and a comment of any script, escaped in JSON."""

    limits: ClassVar = Limits(body_bytes=2 * 1024 * 1024)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wanted(_Body):
    """Which reviews to list."""

    state: Literal["open", "approved", "edited", "rejected", "expired", "any"] = OPEN
    kind: Literal["hold", "audit"] | None = None
    queue: str | None = None
    automation: str | None = None
    assignee: str | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class Remark(_Body):
    """What a reviewer says with a decision; an edit puts `text` in the place of what a choice says."""

    reason: _Reason | None = None
    comment: _Text | None = None
    text: _Text | None = None
    choice: int = Field(default=0, ge=0, le=127)
    drop_calls: bool = False


class Assignment(_Body):
    """To whom a review goes: a user's id or e-mail address, `me`, or null for all."""

    to: str | None = Field(max_length=320)


class Comment(_Body):
    """A comment."""

    comment: _Text = Field(min_length=1)


def router(desk: ReviewDesk, directory: KeyDirectory) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(route_class=_TextRoute, tags=["reviews"])
    _add_reading(routes, desk)
    _add_deciding(routes, desk)
    _add_redelivery(routes, desk.database)
    _add_stops(routes, desk.database)

    @routes.get("/v1/holds/{review_id}")
    def hold(review_id: str, request: Request) -> Response:
        """Return a held answer of the caller's own automation: its state, and once it is released the answer."""
        headers = dict(request.scope["headers"])
        refuse_loops(headers)
        holder = authenticate(headers, directory)
        review = desk.find(holder.facts.tenant, review_id)
        if review.kind != "hold" or review.automation != holder.facts.automation:
            raise NotFound(_MISSING)
        shown = _state(review)
        held = {"id": review_id, "object": "hold", **shown, "call_id": review.call_id}
        return _exact(held | {"answer": desk.output(review)})

    return routes


def _add_reading(routes: APIRouter, desk: ReviewDesk) -> None:
    reviewer = Depends(Require(desk.database, "reviewer", "auditor", "admin"))

    @routes.get("/reviews")
    def queue(query: Annotated[Wanted, Query()], by: Identity = reviewer) -> dict[str, Any]:
        """List reviews, the most urgent first; `state=any` lists decided ones, too."""
        given = query.model_dump()
        wanted = Filter(**given | {"state": None if query.state == "any" else query.state})
        return {"object": "list", "data": [_summary(each) for each in listed(desk.database, by.tenant, wanted)]}

    @routes.get("/reviews/{review_id}")
    def one(review_id: str, by: Identity = reviewer) -> Response:
        """Return a review with its redacted texts."""
        review = desk.find(by.tenant, review_id)
        kept, edit = desk.texts.kept(review), desk.texts.edit(review)
        texts: dict[str, Any] = {"request": None, "answer": None, "text": None}
        if kept is not None:
            spoken = said.texts(kept.answer)
            texts = {"request": kept.request, "answer": kept.answer, "text": "\n\n".join(spoken), "texts": spoken}
            texts["calls"] = [call._asdict() for call in called(kept.answer)]
            texts |= {"findings": kept.findings, "scores": kept.scores, "fallback": kept.fallback}
        edited = None if edit is None else "\n\n".join(said.texts(edit))
        return _exact(_summary(review) | texts | {"edit": edited, "comments": desk.texts.notes(review)})

    @routes.post("/reviews/{review_id}/reveal")
    def reveal(review_id: str, by: Identity = reviewer) -> dict[str, Any]:
        """Return the originals behind the placeholders, for auditors and admins; it is recorded."""
        return {"object": "originals", "id": review_id, "values": desk.reveal(by, review_id)}


def _add_deciding(routes: APIRouter, desk: ReviewDesk) -> None:
    reviewer = Depends(Require(desk.database, "reviewer"))

    @routes.post("/reviews/{review_id}/approve")
    async def approve(review_id: str, body: Remark, by: Identity = reviewer) -> dict[str, Any]:
        """Release an answer as it is."""
        return _summary(await desk.decide(by, review_id, "approved", _remarks(body)))

    @routes.post("/reviews/{review_id}/edit")
    async def edit(review_id: str, body: Remark, by: Identity = reviewer) -> dict[str, Any]:
        """Release another text in its place."""
        return _summary(await desk.decide(by, review_id, "edited", _remarks(body)))

    @routes.post("/reviews/{review_id}/reject")
    async def reject(review_id: str, body: Remark, by: Identity = reviewer) -> dict[str, Any]:
        """Release nothing."""
        return _summary(await desk.decide(by, review_id, "rejected", _remarks(body)))

    @routes.post("/reviews/{review_id}/assign")
    def give(review_id: str, body: Assignment, by: Identity = reviewer) -> dict[str, Any]:
        """Give a review to a reviewer, or back to all."""
        return _summary(assign(desk.database, by, review_id, by.holder if body.to == "me" else body.to))

    @routes.post("/reviews/{review_id}/comment")
    async def remark(review_id: str, body: Comment, by: Identity = reviewer) -> dict[str, Any]:
        """Add a comment."""
        await desk.comment(by, review_id, body.comment)
        return {"object": "comment", "id": review_id}


def _add_redelivery(routes: APIRouter, database: Database) -> None:
    reviewer = Depends(Require(database, "reviewer", "admin"))

    @routes.post("/reviews/{review_id}/redeliver")
    def again(review_id: str, by: Identity = reviewer) -> dict[str, Any]:
        """Tell a decided review's webhook once more, under the same webhook-id."""
        redeliver(database, by, review_id)
        return {"object": "delivery", "id": review_id}


def _add_stops(routes: APIRouter, database: Database) -> None:
    viewer = Depends(Require(database, "viewer"))
    may_stop = Depends(Require(database, "policy_owner", "reviewer", "admin"))
    may_start = Depends(Require(database, "policy_owner", "admin"))

    @routes.get("/stops")
    def all_stops(by: Identity = viewer) -> dict[str, Any]:
        """List the stopped automations."""
        return {"object": "list", "data": stops_of(database, by)}

    @routes.put("/stops/{automation}")
    def stop_one(automation: str, by: Identity = may_stop) -> dict[str, Any]:
        """Stop an automation: within a second all its answers are held, and its live streams end."""
        return {"object": "stop", "automation": automation, "changed": stop(database, by, automation)}

    @routes.delete("/stops/{automation}")
    def start_one(automation: str, by: Identity = may_start) -> dict[str, Any]:
        """Let an automation run again."""
        return {"object": "stop", "automation": automation, "changed": start(database, by, automation)}


def _summary(review: Review) -> dict[str, Any]:
    shown = {name: getattr(review, name) for name in _SUMMARY}
    return {"object": "review", "id": review.review_id, **shown, **_times(review)}


def _exact(value: dict[str, Any]) -> Response:
    """Write an answer as its provider wrote it: numbers beyond 64 bits, too (`gateway.wire.numbers`)."""
    return Response(orjson.dumps(value), media_type="application/json")


def _state(review: Review) -> dict[str, Any]:
    """Say what a caller may know: not who decided, nor why."""
    return {"state": review.state, "output": review.output, **_times(review)}


def _times(review: Review) -> dict[str, Any]:
    times = {"opened_at": review.opened_us, "deadline_at": review.deadline_us, "decided_at": review.decided_us}
    return {name: None if at_us is None else at_us // 1_000_000 for name, at_us in times.items()}


def _remarks(body: Remark) -> Remarks:
    return Remarks(body.reason, body.comment, body.text, body.choice, body.drop_calls)
