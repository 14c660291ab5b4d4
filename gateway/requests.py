"""The outermost layer of all that asks no model: an id, a record and one shape of errors for every request."""

from typing import Any, Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admission import KeyDirectory, KeyHolder, Limits, authenticate, credentials, refuse_loops
from gateway.pipeline import Pipeline
from gateway.repeats import BODY, ENDPOINT, Repeats
from gateway.resilience.attempt import code
from gateway.stages.record import Bill, End
from gateway.stages.reuse import HEADER
from gateway.watch import Desk, Watch
from gateway.wire import headers
from gateway.wire.exchange import Exchange
from metrics.record.commits import Commit, OnFailure
from metrics.record.events import Event

_WATCH: Final = "sluice.watch"
# Answered many times a minute by machines; only a refusal of theirs is worth a record.
PROBES: Final = frozenset({"/healthz", "/readyz", "/status", "/metrics"})
# What is taken in is a record itself, or belongs to a run whose own events tell of it.
REPORTS: Final = frozenset({"/v1/events", "/v1/outcomes", "/v1/run-keys", "/v1/run-keys/open", "/v1/permits"})


_SAID: Final = ("call_id", "endpoint", "method", "status", "outcome", "key_id", "total_ms")


class RequestWatch(Watch):
    """Watches a request that asks no model: a refused one is recorded like a call, an answered one as `request.end`."""

    def __init__(self, desk: Desk, http: Exchange, scope: Scope, send: Send) -> None:
        super().__init__(desk, http, "unknown")
        self._scope, self._send = scope, send
        self._held: Message | None = None
        self.failed: Exception | None = None  # what the answer will say instead

    async def send(self, message: Message) -> None:
        """Send a part of the answer; its beginning waits for the record, and for a better word where it failed."""
        if self.failed is not None:
            return
        if message["type"] == "http.response.start":
            self._held = message
            return
        if self._held is not None:
            start, self._held = self._held, None
            commit = await self._end(_end_of(start["status"]), None, "serve")
            deferred = (headers.DEFERRED,) if commit.deferred else ()
            named = headers.request(self.call_id, self.trace.header)
            self.http.started = True
            await self._send({**start, "headers": [*start["headers"], *named, *deferred]})
        await self._send(message)

    async def _end(self, end: End, bill: Bill | None, on_failure: OnFailure) -> Commit:
        path: str | None = getattr(self._scope.get("route"), "path", None)
        if end.error_code is None and (path in PROBES or (path in REPORTS and end.status < 400)):
            self._ended = True
            return Commit()
        self._known["endpoint"] = path or self._scope.get(ENDPOINT) or "unknown"
        self._known["method"] = code(self.http.method)
        return await super()._end(end, bill, on_failure)

    def _event(self, suffix: str, kind: str, body: dict[str, Any]) -> Event:
        if body["status"] >= 400:
            return super()._event(suffix, kind, body)
        return super()._event(suffix, "request.end", {name: body.get(name) for name in _SAID})


def watched(app: ASGIApp, pipeline: Pipeline) -> ASGIApp:
    """Wrap an application so that every request has an id, leaves a record and is refused in one shape."""
    repeats = Repeats(pipeline.reuse.store, pipeline.limits, app)

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        http = Exchange(scope, receive, send)
        async with RequestWatch(pipeline.desk, http, scope, send) as watch:
            scope[_WATCH] = watch
            watch.holder = pipeline.directory.lookup(credentials(http.headers))
            key = http.headers.get(HEADER)
            if key is None or watch.holder is None or http.method != "POST":
                await app(scope, receive, watch.send)
            else:
                await repeats.once(key, watch.holder, http, scope, watch.send)
            if watch.failed is not None:
                raise watch.failed
        del scope[_WATCH]  # the two hold each other

    return outermost


def watch_of(request: Request) -> RequestWatch:
    """Return the watch of a request."""
    found: RequestWatch = request.scope[_WATCH]
    return found


def key_holder(request: Request, directory: KeyDirectory) -> KeyHolder:
    """Return whose API key a request carries.

    Raises:
        BadRequest, WrongEncoding, Unauthorized: see `gateway.errors`.
    """
    sent = watch_of(request).http.headers
    refuse_loops(sent)
    return authenticate(sent, directory)


async def body_of(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, within limits.

    Raises:
        TooLarge, BadRequest: it is too long, or too slow.
        ClientLeft: the client went away before it was complete.
    """
    read: bytes | None = request.scope.get(BODY)
    return read if read is not None else await watch_of(request).http.read(limits.body_bytes, limits.body_s)


def _end_of(status: int) -> End:
    if status < 400:
        return End(status, "ok")
    return End(status, "refused" if status < 500 else "error")
