"""The application: model endpoints as plain ASGI in front, everything else on FastAPI."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from gateway.brake import braked
from gateway.errors import BadRequest, GatewayError, NotFound, WrongKey, WrongMethod
from gateway.pipeline import Pipeline
from gateway.responses.conversations import Conversations, in_memory
from gateway.routes.chat import chat
from gateway.routes.completions import completions
from gateway.routes.embeddings import embeddings
from gateway.routes.models import PATH as MODELS
from gateway.routes.models import models
from gateway.routes.responses import PATH as RESPONSES
from gateway.routes.responses import responses
from gateway.routes.unknown import unknown
from gateway.watch import Desk
from gateway.wire import headers
from gateway.wire.exchange import App

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_HINT: Final = "There is no such path. The OpenAI endpoints are below /v1: does your base URL end with /v1?"


class Gateway(FastAPI):
    """One app object. Paths of the OpenAI wire never reach FastAPI's routing, which costs more than a call."""

    def __init__(
        self, pipeline: Pipeline, routers: Sequence[APIRouter], kept: Conversations, lifespan: Lifespan | None = None
    ) -> None:
        super().__init__(title="Sluice", docs_url=None, redoc_url=None, lifespan=lifespan)
        self._direct: Mapping[str, App] = {
            "/v1/chat/completions": chat(pipeline),
            "/v1/completions": completions(pipeline),
            "/v1/embeddings": embeddings(pipeline),
            MODELS: models(pipeline),
            RESPONSES: responses(pipeline, kept),
        }
        self._unknown = unknown(pipeline)
        for router in routers:
            self.include_router(router)
        # The first part below /v1 of what FastAPI serves there.
        self._ours = {_part(getattr(route, "path", "")) for router in routers for route in router.routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoint(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or super().__call__)(scope, receive, send)

    def _endpoint(self, path: str) -> App | None:
        found = self._direct.get(path)
        if found is not None or not path.startswith("/v1/"):
            return found
        for below in (MODELS, RESPONSES):
            if path.startswith(below + "/"):
                return self._direct[below]
        return None if _part(path) in self._ours else self._unknown


def create_app(
    pipeline: Pipeline,
    routers: Sequence[APIRouter] = (),
    lifespan: Lifespan | None = None,
    kept: Conversations | None = None,
) -> Gateway:
    """Build the application; every error has OpenAI's shape. Without `kept`, responses are kept in memory only."""
    app = Gateway(pipeline, routers, kept or in_memory(pipeline.desk.clock_us), lifespan)
    app.add_exception_handler(GatewayError, _own(pipeline.desk))
    app.add_exception_handler(HTTPException, _foreign)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)
    return app


def error_response(error: GatewayError) -> Response:
    """Render an error."""
    known = {name.decode(): value.decode() for name, value in headers.of_error(error)}
    return Response(error.encoded(), error.status, known)


def _own(desk: Desk) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def own(request: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        if isinstance(error, WrongKey):
            address = request.client.host if request.client else ""
            error = braked(desk.brake.count(address, desk.clock_us())) or error
        return error_response(error)

    return own


async def _foreign(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return error_response(NotFound(_HINT, code="unknown_url"))
    if error.status_code == 405:
        return error_response(WrongMethod(f"{request.method} is not possible here.", headers=error.headers))
    shown = GatewayError(str(error.detail), code="request_refused", headers=error.headers)
    shown.status = error.status_code
    return error_response(shown)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    return error_response(BadRequest(f"{where or 'The request'}: {first['msg']}.", param=where or None))


async def _broken(_request: Request, _error: Exception) -> Response:
    return error_response(GatewayError("The gateway failed to handle this request."))


def _part(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "v1" else ""
