"""What the worker of automations asks: keys of runs, and whether an effect on the outside may happen now."""

import asyncio
import base64
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request

from gateway import errors
from gateway.admission import KeyHolder
from gateway.crowding import Crowding
from gateway.errors import BadRequest, Gone, RecordDown
from gateway.intake import MAX_ITEMS, identifier, known_only, label, word
from gateway.pipeline import Pipeline
from gateway.requests import body_of, key_holder
from gateway.run_keys import KeyGone, RunKeys, Wanted, expires_us
from gateway.wire.body import parse
from policy.model import Bound, Facts, Ungoverned
from policy.tool_rules import decide_tool

Read = TypeVar("Read")
_AWAY: Final = "The key store cannot be used now; try again."
_GONE: Final = "The key of this run was destroyed by an erasure or at the end of its retention; nothing can open it."


def router(pipeline: Pipeline, keys: RunKeys) -> APIRouter:
    """Build the routes."""
    routes, crowding = APIRouter(tags=["runs"]), Crowding()

    @routes.post("/v1/run-keys")
    async def make(request: Request) -> dict[str, Any]:
        """Make a key for each run of a list; what a run stores is sealed under it."""
        holder, bound, body = await _asked(request, pipeline)
        known_only(body, ("runs",), "")
        wanted = _items(body.get("runs"), _run)
        days, now_us = bound.policy.retention.automation.days, pipeline.desk.clock_us()
        try:
            made = await asyncio.to_thread(keys.make, holder.facts, wanted, days, now_us)
        except sqlite3.Error as error:
            raise RecordDown(_AWAY) from error
        ends = {"expires_at": expires_us(days, now_us) // 1_000_000}
        data = [
            {"run": run.run, "key": base64.b64encode(each.key).decode(), "wrapped": each.wrapped, **ends}
            for run, each in zip(wanted, made, strict=True)
        ]
        return {"object": "list", **_whose(holder), "data": data}

    @routes.post("/v1/run-keys/open")
    async def open_(request: Request) -> dict[str, Any]:
        """Open a run's key, 410 once it is destroyed; or that of each run of a list, null where it is destroyed."""
        holder, _, body = await _asked(request, pipeline)
        many = "runs" in body
        known_only(body, ("runs",) if many else ("run", "wrapped"), "")
        wrapped = _items(body["runs"], _wrapped) if many else [_wrapped(body, "")]
        try:
            opened = await asyncio.to_thread(_opened, keys, holder.facts, wrapped)
        except sqlite3.Error as error:
            raise RecordDown(_AWAY) from error
        whose = {**_whose(holder), "wait_us": await crowding.wait_us()}
        if many:
            return {"object": "list", **whose, "data": opened}
        if opened[0]["key"] is None:
            raise Gone(_GONE)
        return {"object": "run_key", **opened[0], **whose}

    @routes.post("/v1/permits")
    async def permit(request: Request) -> dict[str, Any]:
        """Say whether an effect may happen now: by the policy's rules about tools, and unless a stop is set."""
        holder, bound, body = await _asked(request, pipeline)
        known_only(body, ("run", "action", "arguments"), "")
        action, arguments = word(body.get("action"), "action", ""), body.get("arguments")
        if not isinstance(arguments, dict | None):
            raise BadRequest("'arguments' must be an object.", code="invalid_type", param="arguments")
        decision = decide_tool(bound.policy.tools, action, "called", holder.facts, arguments)
        stopped = pipeline.stops.of(holder.facts)
        said = {"action": decision.action, "rule": decision.rule, "would": decision.would, "stopped": stopped}
        return {"object": "permit", **said, "policy": f"{bound.name}@{bound.hash12}"}

    return routes


async def _asked(request: Request, pipeline: Pipeline) -> tuple[KeyHolder, Bound, dict[str, Any]]:
    holder = key_holder(request, pipeline.directory)
    body = parse(await body_of(request, pipeline.limits))
    try:
        return holder, pipeline.snapshot().bind(holder.facts, {}), body
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key, so nothing may run under it.") from error


def _items(items: object, read: Callable[[dict[str, Any], str], Read]) -> list[Read]:
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise BadRequest(f"'runs' must be a list of 1 to {MAX_ITEMS} objects.", param="runs")
    for n, item in enumerate(items):
        if not isinstance(item, dict):
            raise BadRequest(f"'runs[{n}]' must be an object.", code="invalid_type", param=f"runs[{n}]")
    return [read(item, f"runs[{n}].") for n, item in enumerate(items)]


def _run(item: dict[str, Any], where: str) -> Wanted:
    known_only(item, ("run", "subject"), where)
    return Wanted(identifier(item, "run", where), label(item, "subject", where))


def _wrapped(item: dict[str, Any], where: str) -> tuple[str, str]:
    known_only(item, ("run", "wrapped"), where)
    run, wrapped = identifier(item, "run", where), label(item, "wrapped", where)
    if wrapped is None:
        raise BadRequest(f"'{where}wrapped' must be what /v1/run-keys gave.", param=f"{where}wrapped")
    return run, wrapped


def _opened(keys: RunKeys, facts: Facts, wrapped: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Open keys; None stands for what is destroyed."""
    found: list[dict[str, Any]] = []
    for run, each in wrapped:
        try:
            key = base64.b64encode(keys.open(facts, run, each)).decode()
        except KeyGone:
            key = None
        found.append({"run": run, "key": key})
    return found


def _whose(holder: KeyHolder) -> dict[str, Any]:
    return {"tenant": holder.facts.tenant, "automation": holder.facts.automation}
