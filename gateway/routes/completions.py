"""POST /v1/completions."""

from gateway.pipeline import Pipeline
from gateway.wire.completions import COMPLETIONS
from gateway.wire.exchange import App, Exchange, Message, Receive, Send


def completions(pipeline: Pipeline) -> App:
    """Return the endpoint as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        await pipeline.run(Exchange(scope, receive, send), COMPLETIONS)

    return endpoint
