"""`/weekly`: frozen weekly reviews, and the actions and decisions that people enter on them."""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.control import weekly
from gateway.control.identity.roles import Identity
from gateway.control.weekly import WRITERS, Frozen, NewItem
from gateway.holds.agenda import Agenda
from gateway.routes.access import Require, SmallBodyRoute

_MOST_CHARS: Final = 2_000
_Short = Annotated[str, Field(min_length=1, max_length=120)]


class Entered(BaseModel):
    """An action or a decision as somebody enters it; `owner` is who does it, `due` a date."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=_MOST_CHARS)
    owner: _Short
    kind: str = "action"
    automation: str | None = None
    measure: str | None = None
    due: str | None = None


class Closing(BaseModel):
    """What became of an item."""

    model_config = ConfigDict(extra="forbid")
    state: str


def router(agenda: Agenda) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(route_class=SmallBodyRoute, prefix="/weekly", tags=["weekly review"])
    _add_items(routes, agenda)
    _add_reviews(routes, agenda)
    return routes


def _add_items(routes: APIRouter, agenda: Agenda) -> None:
    viewer = Depends(Require(agenda.database, "viewer"))
    writer = Depends(Require(agenda.database, *WRITERS))

    @routes.get("/items")
    def all_items(week: str | None = None, by: Identity = viewer) -> dict[str, Any]:
        """List actions and decisions; of a week: its own, and the open ones of earlier weeks."""
        return _list(agenda.listed(by.tenant, None if week is None else weekly.checked_week(week)))

    @routes.post("/{week}/items")
    async def enter(week: str, body: Entered, by: Identity = writer) -> dict[str, Any]:
        """Enter an action or a decision on the review of a week."""
        new = NewItem(week, body.kind, body.automation, body.measure, body.due)
        return await agenda.add(by, new, body.text, body.owner)

    @routes.post("/items/{item_id}/close")
    def close(item_id: str, body: Closing, by: Identity = writer) -> dict[str, Any]:
        """Say that an item is done, or dropped."""
        return agenda.shown(weekly.close(agenda.database, by, item_id, body.state))


def _add_reviews(routes: APIRouter, agenda: Agenda) -> None:
    viewer = Depends(Require(agenda.database, "viewer"))
    writer = Depends(Require(agenda.database, *WRITERS))

    @routes.get("")
    def all_weeks(by: Identity = viewer) -> dict[str, Any]:
        """List the frozen reviews, the newest week first."""
        with agenda.database.read() as conn:
            return _list([_shown(each) for each in weekly.weeks(conn, by.tenant)])

    @routes.post("/{week}/freeze")
    def freeze(week: str, by: Identity = writer) -> dict[str, Any]:
        """Have the review of a week frozen; the keeper builds it within seconds."""
        revision = weekly.want(agenda.database, by, week)
        return {"object": "weekly_review", "week": week, "revision": revision, "state": "building"}

    @routes.get("/{week}")
    def one(week: str, revision: int | None = None, by: Identity = viewer) -> dict[str, Any]:
        """Return a frozen review; `document` is null while it is being built."""
        with agenda.database.read() as conn:
            found = weekly.frozen(conn, by.tenant, weekly.checked_week(week), revision)
        document = None if found.content is None else orjson.loads(found.content)
        return _shown(found) | {"document": document}


def _shown(review: Frozen) -> dict[str, Any]:
    built = None if review.built_us is None else review.built_us // 1_000_000
    return {
        "object": "weekly_review",
        "week": review.week,
        "revision": review.revision,
        "state": "building" if review.built_us is None else "frozen",
        "seq": review.seq,
        "sha256": review.sha256,
        "built_at": built,
        "by": review.wanted_by,
    }


def _list(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": data}
