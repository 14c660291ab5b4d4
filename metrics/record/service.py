"""The recorder over HTTP: named questions for those whom the gateway vouches for, and its own health for everybody."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import duckdb
import orjson
import pyarrow as pa
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from metrics.record.content import ContentGoneError
from metrics.record.contents import ContentChangedError, ReadBack
from metrics.record.ledger_file import NotReadyError
from metrics.record.queries import Question, load_queries
from metrics.record.recorder import Recorder
from metrics.record.refusals import QueryError, QueryTimeoutError
from metrics.record.sandbox import Answer, QueryLimits, Sandbox
from metrics.record.token import Grant, TokenRefusedError, secret_of, verify

ARROW = "application/vnd.apache.arrow.stream"
_MOST_BODY_BYTES = 64 * 1024
_CONTENT_ROLES = frozenset({"reviewer", "auditor", "admin"})


class UnknownQueryError(LookupError):
    """No question has this name."""


class NotAllowedError(PermissionError):
    """The token is good, its roles are not enough."""


_STATUS: Mapping[type[Exception], HTTPStatus] = {
    TokenRefusedError: HTTPStatus.UNAUTHORIZED,
    NotAllowedError: HTTPStatus.FORBIDDEN,
    UnknownQueryError: HTTPStatus.NOT_FOUND,
    ContentGoneError: HTTPStatus.GONE,
    ContentChangedError: HTTPStatus.CONFLICT,
    QueryTimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
    QueryError: HTTPStatus.BAD_REQUEST,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    duckdb.Error: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Service:
    """Checks tokens and asks the ledger. `now_s` is the clock against which tokens end."""

    def __init__(
        self,
        recorder: Recorder,
        limits: QueryLimits | None = None,
        now_s: Callable[[], float] = time.time,
        questions: Mapping[str, Question] | None = None,
    ) -> None:
        self.recorder, self._limits, self._now_s = recorder, limits or QueryLimits(), now_s
        self._secret = secret_of(recorder.master)
        self.queries: Mapping[str, Question] = questions or load_queries()

    def grant(self, request: Request) -> Grant:
        """Return what the request's token allows. Raises `TokenRefusedError`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRefusedError("a query token from the gateway is missing (Authorization: Bearer ...)")
        return verify(self._secret, token, int(self._now_s()))

    def ask(self, grant: Grant, name: str, given: Mapping[str, Any], arrow: bool) -> Answer:
        """Answer one named question about the token's tenant."""
        query = self.queries.get(name)
        if query is None:
            raise UnknownQueryError(f"there is no question named {name!r}; there are {', '.join(self.queries)}")
        sql, values = query.prepare(grant.tenant, given)
        with self.recorder.door.cursor() as cursor:
            box = Sandbox(cursor, self._limits)
            try:
                return box.arrow(sql, values) if arrow else box.rows(sql, values)
            except duckdb.Error as problem:
                self.recorder.doubt(problem)
                raise

    def content(self, grant: Grant, event_id: str) -> ReadBack:
        """Open the sealed content of one event of the token's tenant; that it was seen is recorded first."""
        if not _CONTENT_ROLES.intersection(grant.roles):
            raise NotAllowedError("reading content needs the role reviewer, auditor or admin")
        found = self.recorder.contents.read(grant.tenant, event_id)
        self.recorder.tell("content.read", grant.sub, grant.tenant, event_id=event_id)
        return found


def create_app(service: Service) -> FastAPI:
    """Build the recorder's application."""
    app = FastAPI(title="Sluice recorder", docs_url=None, redoc_url=None, openapi_url=None)
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _answering(status))
    _add_health(app, service)
    _add_reading(app, service)
    return app


def _add_health(app: FastAPI, service: Service) -> None:
    recorder = service.recorder

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> Response:
        phase = recorder.state.phase
        status = HTTPStatus.OK if phase == "running" else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": phase, "problem": recorder.state.problem}, status)

    @app.get("/status")
    def status() -> dict[str, Any]:
        return recorder.status()


def _add_reading(app: FastAPI, service: Service) -> None:
    @app.post("/v1/query/{name}")
    async def query(name: str, request: Request) -> Response:
        grant = service.grant(request)  # before anything that a stranger sent is read
        given = _given(await body_of(request))
        arrow = ARROW in request.headers.get("accept", "")
        answer = await run_in_threadpool(service.ask, grant, name, given, arrow)
        return await run_in_threadpool(_written, answer)

    @app.get("/v1/content/{event_id}")
    def content(event_id: str, request: Request) -> Response:
        found = service.content(service.grant(request), event_id)
        opened = found.opened
        fields = {k: v if isinstance(v, str) else v.decode("utf-8", "replace") for k, v in opened.fields.items()}
        about = {"event_id": event_id, "subject_ref": opened.header.subject_ref, "checked": found.checked}
        return JSONResponse(about | {"fields": fields})


async def body_of(request: Request) -> bytes:
    """Read a small body. Raises `QueryError`."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY_BYTES:
            raise QueryError(f"the parameters of a question have at most {_MOST_BODY_BYTES} bytes")
    return bytes(body)


def _given(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as problem:
        raise QueryError("the parameters of a question are a JSON object") from problem
    if not isinstance(given, dict):
        raise QueryError("the parameters of a question are a JSON object")
    return given


def _written(answer: Answer) -> Response:
    return _json(answer) if answer.table is None else _arrow(answer, answer.table)


def _json(answer: Answer) -> Response:
    body = {
        "columns": answer.columns,
        "rows": answer.rows,
        "watermark": {"seq": answer.seq, "ts_us": answer.ts_us},
        "truncated": answer.truncated,
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _arrow(answer: Answer, rows: pa.Table) -> Response:
    about = {"seq": str(answer.seq), "ts_us": str(answer.ts_us), "truncated": str(answer.truncated).lower()}
    table = rows.replace_schema_metadata(about)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue(), media_type=ARROW)


def _answering(status: HTTPStatus) -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, problem: Exception) -> Response:
        hidden = isinstance(problem, duckdb.Error)
        message = "the ledger cannot answer just now; see /status" if hidden else str(problem)
        return JSONResponse({"error": {"message": message, "code": status.phrase.lower().replace(" ", "_")}}, status)

    return answer
