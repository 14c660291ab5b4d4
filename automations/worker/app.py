"""The worker's HTTP API: inputs come in with an API key, people work with runs by their session at the gateway."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from automations.flow.engine import Engine, Queued, TooLarge, Unknown
from automations.flow.failures import GatewayAway
from automations.flow.gateway import Erased
from automations.queue.desk import Desk, NoRun, NotPossible, Who, Wish
from automations.queue.outbox import Outbox
from automations.queue.store import QueueFull
from automations.worker.access import Access, Forbidden, NotSignedIn, key_of
from automations.worker.bodies import Answer, Bounded, Gold, Inputs, Many, Reason, Replay, Wanted
from automations.worker.gateway import HttpGateway, KeyRefused
from automations.worker.numbers import prometheus, queue_now
from automations.worker.polling import hindered
from automations.worker.pressure import Intake
from automations.worker.reading import Reading

DECIDERS: Final = ("reviewer", "policy_owner", "admin")
READERS: Final = ("reviewer", "auditor", "admin")


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes work with."""

    engine: Engine
    gateway: HttpGateway
    access: Access
    busy: Callable[[], int]
    allowed: Callable[[], int]
    wake: Callable[[], None]
    intake: Intake = field(default_factory=Intake)

    @property
    def desk(self) -> Desk:
        """Return the desk of runs."""
        return Desk(self.engine.store)

    @property
    def reading(self) -> Reading:
        """Return what opens runs for people."""
        return Reading(self.engine)

    def done(self, run_id: str, tenant: str) -> dict[str, Any]:
        """Return a run with which something was done, and let the worker look for it."""
        self.wake()
        return self.reading.shown(tenant, run_id)

    def numbers(self) -> dict[str, Any]:
        """Return how the whole queue stands."""
        return queue_now(self.desk.depth(), Outbox(self.engine.store).counts(), self.engine.store.clock_us())


def create_app(api: Api) -> FastAPI:
    """Build the application."""
    app = FastAPI(title="Sluice worker", docs_url=None, redoc_url=None)
    app.add_middleware(Bounded)
    for router in (_machine(api), _intake(api), _looking(api), _dead_letters(api), _deciding(api)):
        app.include_router(router)
    for kind, shown in _SHOWN.items():
        app.add_exception_handler(kind, _handler(*shown))
    return app


def _machine(api: Api) -> APIRouter:
    routes = APIRouter()

    @routes.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    def ready() -> dict[str, Any]:
        return {"status": "ok", "open": api.numbers()["open"]}

    @routes.get("/metrics")
    def metrics(request: Request) -> PlainTextResponse:
        """Give the queue's numbers to Prometheus, for any API key that this worker has."""
        if key_of(request) not in api.gateway.keys.values():
            raise NotSignedIn("Send a key of this worker: of SLUICE_WORKER_KEYS, else of its file worker.keys.")
        return PlainTextResponse(prometheus(api.numbers(), api.busy(), api.allowed()))

    return routes


def _intake(api: Api) -> APIRouter:
    routes = APIRouter()

    @routes.post("/automations/{name}/runs", status_code=202)
    async def enqueue(name: str, request: Request) -> dict[str, Any]:
        """Start runs: `{"inputs": [...]}`, with an API key of the automation. All are on disk when this answers."""
        key, body = key_of(request), orjson.loads(await request.body())
        inputs = body.get("inputs") if isinstance(body, dict) else None
        if not isinstance(inputs, list) or not 1 <= len(inputs) <= 1000:
            raise ValueError("'inputs' must be a list of 1 to 1000 inputs.")
        return _told(await api.intake.take(lambda: _from_caller(api, key, name, inputs)))

    @routes.post("/hooks/{name}", status_code=202)
    async def hook(name: str, request: Request) -> dict[str, Any]:
        """Take in what others send to an automation's hook, which checks the signature."""
        reader = api.engine.automation(name).hook
        if reader is None:
            raise Unknown(f"{name} has no hook")
        inputs = await run_in_threadpool(reader.read, dict(request.headers), await request.body())
        return _told(await api.intake.take(lambda: _with_own_key(api, api.engine, name, inputs)))

    return routes


def _looking(api: Api) -> APIRouter:
    routes = APIRouter()
    viewer, reader = Depends(api.access.needing("viewer")), Depends(api.access.needing(*READERS))

    @routes.get("/queue")
    def queue(by: Who = viewer) -> dict[str, Any]:
        """Tell how the tenant's queue stands, and how many runs ended in each of the last 60 minutes."""
        now = queue_now(
            api.desk.depth(by.tenant), Outbox(api.engine.store).counts(by.tenant), api.engine.store.clock_us()
        )
        here = {"busy": api.busy(), "allowed": api.allowed(), "ended": api.desk.throughput(by.tenant, 60)}
        return now | here | {"sources": hindered(api.engine, by.tenant)}

    @routes.get("/runs")
    def listed(query: Annotated[Wanted, Query()], by: Who = viewer) -> dict[str, Any]:
        """List runs, the newest first; dead letters have the state `dead`."""
        return {"object": "list", "data": api.desk.listed(by.tenant, Wish(**query.model_dump()))}

    @routes.get("/runs/{run_id}")
    def one(run_id: str, by: Who = viewer) -> dict[str, Any]:
        """Return a run and its effects, without anybody's words."""
        return api.reading.shown(by.tenant, run_id)

    @routes.get("/runs/{run_id}/content")
    def content(run_id: str, by: Who = reader) -> dict[str, Any]:
        """Return what a run was given and what its steps gave; that somebody read it is recorded."""
        return api.reading.opened(by, run_id)

    return routes


def _dead_letters(api: Api) -> APIRouter:
    routes = APIRouter()
    decider = Depends(api.access.needing(*DECIDERS))

    @routes.post("/queue/{name}", status_code=202)
    def start(name: str, body: Inputs, by: Who = decider) -> dict[str, Any]:
        """Start runs by hand, with the worker's own key; the automation must be of the caller's tenant."""
        return _told(_with_own_key(api, replace(api.engine, tenant=by.tenant), name, body.inputs))

    @routes.post("/runs/{run_id}/replay")
    def replay(run_id: str, body: Replay, by: Who = decider) -> dict[str, Any]:
        """Begin a dead letter again, with another input where one is given."""
        api.reading.replay(by, run_id, body.input)
        return api.done(run_id, by.tenant)

    @routes.post("/replays")
    def replay_many(body: Many, by: Who = decider) -> dict[str, Any]:
        """Begin many dead letters again; say which could not be."""
        refused = api.reading.replay_many(by, body.ids, Wish("dead", body.automation, body.cause, limit=1000))
        api.wake()
        return refused

    @routes.post("/runs/{run_id}/discard")
    def discard(run_id: str, body: Reason, by: Who = decider) -> dict[str, Any]:
        """Put a dead letter away."""
        api.reading.discard(by, run_id, body.reason)
        return api.done(run_id, by.tenant)

    @routes.post("/runs/{run_id}/resolve")
    def resolve(run_id: str, body: Answer, by: Who = decider) -> dict[str, Any]:
        """Say whether an effect happened of which nobody knew."""
        api.reading.resolve(by, run_id, happened=body.happened, output=body.output)
        return api.done(run_id, by.tenant)

    return routes


def _deciding(api: Api) -> APIRouter:
    routes = APIRouter()
    decider = Depends(api.access.needing(*DECIDERS))

    @routes.post("/runs/{run_id}/cancel")
    def cancel(run_id: str, by: Who = decider) -> dict[str, Any]:
        """End a run that is not done."""
        api.desk.cancel(by, run_id)
        return api.done(run_id, by.tenant)

    @routes.post("/runs/{run_id}/approve")
    def approve(run_id: str, by: Who = decider) -> dict[str, Any]:
        """Allow the effect that a run waits for."""
        api.desk.decide(by, run_id, allow=True)
        return api.done(run_id, by.tenant)

    @routes.post("/runs/{run_id}/reject")
    def reject(run_id: str, by: Who = decider) -> dict[str, Any]:
        """Refuse the effect that a run waits for."""
        api.desk.decide(by, run_id, allow=False)
        return api.done(run_id, by.tenant)

    @routes.post("/runs/{run_id}/gold")
    def gold(run_id: str, body: Gold, by: Who = decider) -> dict[str, Any]:
        """Say what the search of a run should have found; the retrieval measures count it."""
        api.desk.gold(by, run_id, body.ids)
        return api.done(run_id, by.tenant)

    return routes


def _from_caller(api: Api, key: str, name: str, inputs: Sequence[Any]) -> list[Queued]:
    """Enqueue with a caller's key, of the tenant whose key works on the runs: no other key could open them."""
    api.engine.automation(name)
    with _own_key():
        tenant = api.gateway.tenant_of(name)
    return _enqueued(api, replace(api.engine, gateway=api.gateway.as_caller(name, key), tenant=tenant), name, inputs)


def _with_own_key(api: Api, engine: Engine, name: str, inputs: Sequence[Any]) -> list[Queued]:
    with _own_key():
        return _enqueued(api, engine, name, inputs)


@contextmanager
def _own_key() -> Iterator[None]:
    """Say of a refused key of our own that it is not the caller's fault: it may be known in a moment."""
    try:
        yield
    except KeyRefused as error:
        raise GatewayAway(f"The gateway does not take this worker's API key: {error}", 2.0) from error


def _enqueued(api: Api, engine: Engine, name: str, inputs: Sequence[Any]) -> list[Queued]:
    found = engine.enqueue(name, inputs)
    api.wake()
    return found


def _told(queued: Sequence[Queued]) -> dict[str, Any]:
    return {"object": "list", "data": [{"run": each.run_id, "new": each.new} for each in queued]}


_SHOWN: Final[Mapping[type[Exception], tuple[int, str]]] = {
    NotSignedIn: (401, "not_signed_in"),
    Forbidden: (403, "forbidden"),
    KeyRefused: (401, "invalid_api_key"),
    PermissionError: (401, "invalid_signature"),
    Unknown: (404, "not_found"),
    NoRun: (404, "not_found"),
    NotPossible: (409, "not_possible"),
    Erased: (410, "erased"),
    TooLarge: (413, "request_too_large"),
    ValidationError: (400, "invalid_input"),
    RequestValidationError: (400, "invalid_value"),
    ValueError: (400, "invalid_value"),
    QueueFull: (429, "queue_full"),
    GatewayAway: (503, "gateway_unavailable"),
}


def _handler(status: int, code: str) -> Callable[[Request, Exception], JSONResponse]:
    def show(_request: Request, error: Exception) -> JSONResponse:
        after_s = getattr(error, "after_s", None)
        headers = {"retry-after": str(max(1, round(after_s)))} if after_s is not None and status >= 429 else {}
        said = {"message": _sentence(error), "type": "server_error" if status >= 500 else "invalid_request_error"}
        return JSONResponse({"error": {**said, "param": None, "code": code}}, status, headers)

    return show


def _sentence(error: Exception) -> str:
    """Say what is wrong without anybody's values."""
    if isinstance(error, (ValidationError, RequestValidationError)):
        found = [f"{'.'.join(map(str, each['loc']))}: {_said(each)}" for each in error.errors()]
        return "; ".join(found)[:1000]
    return str(error) or "This cannot be used."


def _said(problem: Mapping[str, Any]) -> str:
    wrong_form = problem["type"] == "string_pattern_mismatch"  # its text is a regular expression
    return "Text is not written as it must be" if wrong_form else str(problem["msg"])
