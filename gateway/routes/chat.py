"""POST /v1/chat/completions."""

from gateway.pipeline import Pipeline
from gateway.wire.chat import CHAT
from gateway.wire.exchange import App, Exchange, Message, Receive, Send


def chat(pipeline: Pipeline) -> App:
    """Return the endpoint as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        await pipeline.run(Exchange(scope, receive, send), CHAT)

    return endpoint
