"""The simulated provider on a real socket, in a thread of the test process."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import pytest
import uvicorn

from demo.provider import corpus, model
from demo.provider.clock import VirtualClock
from demo.provider.faults import Fault, Faults
from demo.provider.model import Model
from demo.provider.server import Provider

START_S = 1_772_000_000.0

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def models() -> Mapping[str, Model]:
    return model.build(corpus.load())


@pytest.fixture(scope="session")
def serve(models: Mapping[str, Model]) -> Serve:
    """Give a context manager that serves a fresh provider; its clock does not wait."""

    @contextmanager
    def start(
        rates: Mapping[Fault, float] | None = None, seed: int = 0, clock: VirtualClock | None = None
    ) -> Iterator[str]:
        app = Provider(models, clock or VirtualClock(START_S), Faults(rates or {}, seed), seed=seed)
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()
            listener.close()

    return start


@pytest.fixture
def base_url(serve: Serve) -> Iterator[str]:
    with serve() as url:
        yield url
