"""Every other path below /v1: refused in OpenAI's shape, recorded like any request."""

from gateway.admission import authenticate
from gateway.errors import NotFound
from gateway.pipeline import Pipeline
from gateway.watch import Watch
from gateway.wire.exchange import App, Exchange, Message, Receive, Send


def unknown(pipeline: Pipeline) -> App:
    """Return the endpoint as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        http = Exchange(scope, receive, send)
        async with Watch(pipeline.desk, http, "unknown") as watch:
            watch.holder = authenticate(http.headers, pipeline.directory)
            raise NotFound(f"There is no {http.method} {http.path} here.", code="unknown_url")

    return endpoint
