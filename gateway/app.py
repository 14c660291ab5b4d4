"""The application: model endpoints as plain ASGI in front, everything else on FastAPI."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from gateway.errors import BadRequest, GatewayError, NotFound, WrongMethod
from gateway.pipeline import Pipeline
from gateway.requests import watch_of, watched
from gateway.responses.conversations import Conversations, in_memory
from gateway.routes.chat import chat
from gateway.routes.completions import completions
from gateway.routes.embeddings import embeddings
from gateway.routes.models import PATH as MODELS
from gateway.routes.models import models
from gateway.routes.responses import PATH as RESPONSES
from gateway.routes.responses import responses
from gateway.wire.exchange import App

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_BELOW: Final = (MODELS + "/", RESPONSES + "/")
_HINT: Final = "There is no such path. The OpenAI endpoints are below /v1: does your base URL end with /v1?"


class Gateway(FastAPI):
    """One app object. Paths of the OpenAI wire never reach FastAPI's routing, which costs more than a call."""

    def __init__(
        self, pipeline: Pipeline, routers: Sequence[APIRouter], kept: Conversations, lifespan: Lifespan | None = None
    ) -> None:
        super().__init__(title="Sluice", docs_url=None, redoc_url=None, lifespan=lifespan)
        self.direct: Mapping[str, App] = {
            "/v1/chat/completions": chat(pipeline),
            "/v1/completions": completions(pipeline),
            "/v1/embeddings": embeddings(pipeline),
            MODELS: models(pipeline),
            RESPONSES: responses(pipeline, kept),
        }
        for router in routers:
            self.include_router(router)
        self._beside: App = watched(super().__call__, pipeline)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoint(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or self._beside)(scope, receive, send)

    def _endpoint(self, path: str) -> App | None:
        found = self.direct.get(path)
        if found is None and path.startswith(_BELOW):
            return self.direct[MODELS if path.startswith(MODELS) else RESPONSES]
        return found


def create_app(
    pipeline: Pipeline,
    routers: Sequence[APIRouter] = (),
    lifespan: Lifespan | None = None,
    kept: Conversations | None = None,
) -> Gateway:
    """Build the application; every error has OpenAI's shape. Without `kept`, responses are kept in memory only."""
    app = Gateway(pipeline, routers, kept or in_memory(pipeline.desk.clock_us), lifespan)
    app.add_exception_handler(GatewayError, _shown)
    app.add_exception_handler(HTTPException, _foreign)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _shown)
    return app


async def _shown(request: Request, error: Exception) -> Response:
    """Note what went wrong: the outermost layer records and tells it; the reply that is returned here is dropped."""
    watch_of(request).failed = error
    return Response()


async def _foreign(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _shown(request, _translated(request, error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    return await _shown(request, BadRequest(f"{where or 'The request'}: {first['msg']}.", param=where or None))


def _translated(request: Request, error: HTTPException) -> GatewayError:
    if error.status_code == 404:
        known = request.url.path.startswith("/v1/")
        text = f"There is no {request.method} {request.url.path} here." if known else _HINT
        return NotFound(text, code="unknown_url")
    if error.status_code == 405:
        return WrongMethod(f"{request.method} is not possible here.", headers=error.headers)
    shown = GatewayError(str(error.detail), code="request_refused", headers=error.headers)
    shown.status = error.status_code
    return shown
