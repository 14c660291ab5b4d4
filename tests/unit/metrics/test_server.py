import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
import uvicorn
import uvloop

from metrics.server import Server


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """What happens to a signal after the server: it is raised again."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGTERM, before)


async def app(_scope: object, _receive: object, _send: object) -> None:
    raise AssertionError("nobody asks")


def serve(
    listener: socket.socket, then: Callable[[Server], None], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    server = Server(uvicorn.Config(app, lifespan="off", log_config=None, date_header=False))

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.05, then, server)
        await server.serve(sockets=[listener])

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_signal_ends_it_at_once_though_it_looks_at_nothing(
    new_loop: Callable[[], asyncio.AbstractEventLoop], listener: socket.socket, ended: list[int]
) -> None:
    serve(listener, lambda _: os.kill(os.getpid(), signal.SIGTERM), new_loop)
    assert ended == [signal.SIGTERM]


def test_it_ends_when_it_is_told(listener: socket.socket, ended: list[int]) -> None:
    serve(listener, Server.tell, asyncio.new_event_loop)
    assert ended == []


def test_a_signal_while_it_starts_is_not_missed(listener: socket.socket, ended: list[int]) -> None:
    class Early(Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            os.kill(os.getpid(), signal.SIGTERM)

    server = Early(uvicorn.Config(app, lifespan="off", log_config=None, date_header=False))
    asyncio.run(server.serve(sockets=[listener]))
    assert ended == [signal.SIGTERM]
