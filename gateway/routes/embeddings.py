"""POST /v1/embeddings."""

from gateway.pipeline import Pipeline
from gateway.wire.embeddings import EMBEDDINGS
from gateway.wire.exchange import App, Exchange, Message, Receive, Send


def embeddings(pipeline: Pipeline) -> App:
    """Return the endpoint as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        await pipeline.run(Exchange(scope, receive, send), EMBEDDINGS)

    return endpoint
