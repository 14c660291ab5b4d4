"""The recorder's program: composition, signals, and the end of the parent as the end of this process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import uvicorn

from metrics.record.recorder import Recorder, RecorderRunningError
from metrics.record.service import Service, create_app


class _Server(uvicorn.Server):
    """Also stops when the pipe of the parent process ends."""

    async def watch(self, lifeline: int) -> None:
        """Wait for the end of the pipe, then ask the server to stop."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(lifeline, ended.set)
        while os.read(lifeline, 1) if await ended.wait() else False:
            ended.clear()
        loop.remove_reader(lifeline)
        self.should_exit = True


def run(
    data: Path, host: str, port: int, environ: Mapping[str, str] | None = None, lifeline: int | None = None
) -> None:
    """Run the recorder until SIGTERM, SIGINT or the end of the parent's pipe.

    `lifeline` is the descriptor of a pipe whose other end the parent holds. Raises `RecorderRunningError` when
    another recorder works on this folder, `OSError` when the port is taken.
    """
    recorder = Recorder(data, os.environ if environ is None else environ)
    try:
        recorder.start()
        config = uvicorn.Config(create_app(Service(recorder)), host=host, port=port, log_level="warning")
        asyncio.run(_serve(_Server(config), lifeline))
    finally:
        recorder.close()


async def _serve(server: _Server, lifeline: int | None) -> None:
    watch = asyncio.create_task(server.watch(lifeline)) if lifeline is not None else None
    await server.serve()
    if watch:
        watch.cancel()


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("sluice-data"), help="The data folder.")
@click.option("--host", default="127.0.0.1")
@click.option("--port", default=8081)
@click.option("--lifeline", type=int, default=None, help="Descriptor of a pipe; its end stops the recorder.")
def main(data: Path, host: str, port: int, lifeline: int | None) -> None:
    """Keep the ledger of a data folder and answer questions about it."""
    try:
        run(data, host, port, lifeline=lifeline)
    except RecorderRunningError as problem:
        click.echo(str(problem), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
