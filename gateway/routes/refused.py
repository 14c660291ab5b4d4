"""What is refused before it reaches an endpoint: answered in OpenAI's shape, recorded like any request."""

from collections.abc import Callable

from gateway.admission import credentials
from gateway.errors import GatewayError
from gateway.pipeline import Pipeline
from gateway.watch import Watch
from gateway.wire.exchange import App, Exchange, Message, Receive, Send


def refusing(pipeline: Pipeline) -> Callable[[GatewayError], App]:
    """Return a function that makes an ASGI callable of an error."""

    def refuse(error: GatewayError) -> App:
        async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
            http = Exchange(scope, receive, send)
            async with Watch(pipeline.desk, http, "refused") as watch:
                watch.holder = pipeline.directory.lookup(credentials(http.headers))
                raise error

        return endpoint

    return refuse
